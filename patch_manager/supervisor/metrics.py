"""What the supervisor counts, in Prometheus' terms; totals only, nothing about single hosts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from patch_manager.supervisor.fleet import FleetSupervisor


class FleetCollector(Collector):
    """Reads the latest numbers at each scrape; nothing is counted twice."""

    def __init__(self, fleet: FleetSupervisor) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        """Hosts by health and by actor state, pending patches, polls, limiters, writes."""
        totals = self._fleet.picture.totals()
        for name, words, counts in (
            ("health", "Hosts by health", totals.by_health),
            ("actor_state", "Hosts by what their actor does", totals.by_actor_state),
        ):
            gauge = GaugeMetricFamily(f"patch_manager_hosts_{name}", words, labels=[name])
            for word, count in counts.items():
                gauge.add_metric([word], count)
            yield gauge
        for name, words, value in (
            ("hosts", "Managed hosts", totals.hosts),
            ("hosts_reboot_required", "Hosts that need a reboot", totals.reboot_required),
            ("hosts_never_polled", "Hosts that were never read: unknown, not compliant", totals.never_polled),
            ("patches_pending", "Pending patches over all hosts", totals.pending_patches),
            ("patches_pending_security", "Pending security patches over all hosts", totals.pending_security),
            ("fleet_revision", "Revision of the fleet picture", self._fleet.picture.revision),
            ("poll_results_waiting", "Hosts whose results are not stored yet", self._fleet.results_waiting),
        ):
            yield GaugeMetricFamily(f"patch_manager_{name}", words, value=value)
        yield from self._limiters()
        yield from self._counters()

    def _limiters(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily("patch_manager_limiter", "Limiters: tokens in all, borrowed, tasks waiting",
                                  labels=["limiter", "part"])  # fmt: skip
        for name, numbers in self._fleet.limiter_statistics().items():
            gauge.add_metric([name, "total"], numbers.total)
            gauge.add_metric([name, "borrowed"], numbers.borrowed)
            gauge.add_metric([name, "waiting"], numbers.waiting)
        yield gauge

    def _counters(self) -> Iterator[Metric]:
        counters = self._fleet.counters
        polls = CounterMetricFamily("patch_manager_polls", "Polls by kind and outcome", labels=["kind", "outcome"])
        for (kind, outcome), count in counters.polls.items():
            polls.add_metric([kind, outcome], count)
        yield polls
        for name, words, value in (
            ("poll_seconds", "Time spent in polls, waiting included", counters.poll_seconds),
            ("operator_refreshes", "Refreshes asked for by people", counters.operator_refreshes),
            ("actor_crashes", "Crashes of actors", counters.actor_crashes),
            ("actors_quarantined", "Actors put into quarantine", counters.quarantined),
            ("result_batches_written", "Batches of poll results written", counters.batches_written),
            ("result_rows_written", "Rows of poll results written", counters.rows_written),
            ("result_write_failures", "Batches that had to be tried again", counters.write_failures),
        ):
            yield CounterMetricFamily(f"patch_manager_{name}", words, value=value)
