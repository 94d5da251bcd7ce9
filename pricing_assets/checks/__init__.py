"""Asset checks: what must hold before the next stage may run."""
