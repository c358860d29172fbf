"""How a sweep's jobs are run; Hydra looks for launchers and sweepers in the package `hydra_plugins` alone."""
