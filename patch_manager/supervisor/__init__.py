"""The nursery of host actors: start, restart, limits, fleet picture, events, batches of jobs."""
