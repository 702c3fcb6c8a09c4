"""What notifications count, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from patch_manager.domain.notifications import DeliveryState
from patch_manager.notifications.room import Notifications


class NotificationCollector(Collector):
    """Reads the latest numbers at each scrape; the database is not asked."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    def collect(self) -> Iterator[Metric]:
        """Deliveries by state, attempts by kind of channel and outcome."""
        states = GaugeMetricFamily(
            "patch_manager_notification_deliveries", "Deliveries in the log by state", labels=["state"]
        )
        for state in DeliveryState:
            states.add_metric([state.value], self._notifications.by_state.get(state.value, 0))
        yield states
        attempts = CounterMetricFamily(
            "patch_manager_notification_attempts", "Attempts to send", labels=["channel", "outcome"]
        )
        for labels, count in self._notifications.sender.attempts.items():
            attempts.add_metric(list(labels), count)
        yield attempts
