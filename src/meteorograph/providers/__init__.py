"""One module or small package for each provider; all of them are pure."""
