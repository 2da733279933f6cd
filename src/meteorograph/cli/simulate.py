"""``meteorograph simulate``: the simulator of the providers as a server."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0 takes a free one.")
@click.option("--key", "keys", multiple=True, default=("demo",), show_default=True, help="A key to accept; repeatable.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulated weather.")
@click.option("--latency-ms", type=click.IntRange(0), default=0, show_default=True, help="Time that every answer takes.")
@click.option("--faults", default="", metavar="SPEC", help="Faults to simulate: see docs/simulator.md.")
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Recorded hours from a file instead of simulated weather.",
)
def simulate(host: str, port: int, keys: tuple[str, ...], seed: int, latency_ms: int, faults: str, replay: Path | None) -> None:
    """Run a server that answers like the providers."""
    from ..simulator import Simulator

    spec = "; ".join(part for part in (f"kind=latency ms={latency_ms}" if latency_ms else "", faults) if part)
    with Simulator(host=host, port=port, keys=keys, seed=seed, faults=spec, replay=replay) as simulator:
        click.echo(f"simulating OpenWeatherMap and Weatherstack on {simulator.url}; to collect from it:")
        for name, value in (
            ("OWM_API_KEY", keys[0]),
            ("WEATHERSTACK_API_KEY", keys[0]),
            ("METEOROGRAPH_OWM_BASE_URL", simulator.url),
            ("METEOROGRAPH_WEATHERSTACK_BASE_URL", simulator.url),
        ):
            click.echo(f"export {name}={value}")
        _wait_for_signal()


def _wait_for_signal() -> None:
    import signal
    import threading

    received = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: received.set())
    received.wait()
