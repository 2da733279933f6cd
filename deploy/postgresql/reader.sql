-- A role for Grafana that may only read. The container of PostgreSQL runs this once, when it creates the database.
\getenv password GRAFANA_PASSWORD
CREATE ROLE reader LOGIN PASSWORD :'password';
ALTER ROLE reader SET default_transaction_read_only = on;
GRANT pg_read_all_data TO reader;
