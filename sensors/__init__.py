"""Everything that starts work: sensors and schedules."""
