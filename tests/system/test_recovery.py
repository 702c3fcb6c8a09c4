"""TRUST "resend only on evidence": lost answers and lost jobs. The looks begin 45 s after the intent."""

from __future__ import annotations

from datetime import datetime

from tests.system.conftest import LostAnswers
from tests.system.manager import Fleet


def test_lost_answers_and_lost_jobs_are_decided_by_evidence_alone(fleet: Fleet, lost_answers: LostAnswers) -> None:
    agents, hosts = lost_answers.agents, lost_answers.hosts
    ended = fleet.api.wait_deployment(lost_answers.deployment, 120.0)
    jobs = fleet.api.jobs(lost_answers.deployment)
    assert ended["state"] == "succeeded", {job["state"]: job["message"] for job in jobs.values()}
    assert {len(agent.host.applied) for agent in agents.values()} == {1}
    assert {name: len(agent.applies) for name, agent in agents.items() if len(agent.applies) > 1} == {
        "never arrived": 2
    }
    adopted = {name for name, host_id in hosts.items() if jobs[host_id]["attempts"][0]["adopted"]}
    assert adopted == {"accepted, then cut", "an old one's"}
    _, second = agents["never arrived"].applies
    steps = jobs[hosts["never arrived"]]["transitions"]
    intent = next(datetime.fromisoformat(step["at"]) for step in steps if step["reason"].startswith("sending"))
    assert second.wall - intent.timestamp() >= 55.0
    assert all(len(jobs[host_id]["attempts"]) == 1 for host_id in hosts.values())
    assert all(agent.limited == [] for agent in agents.values())
