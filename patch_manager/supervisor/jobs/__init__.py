"""Jobs and deployments over the fleet: what operators ask for, the scan for due jobs, and the one committer."""
