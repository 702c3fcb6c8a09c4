"""Every operation on one host through the real program, over agents of both dialects."""

from __future__ import annotations

from tests.system.dialects import CodeDialect, DocumentationDialect
from tests.system.host import Host, Patch
from tests.system.manager import Fleet


def test_hosts_are_rebooted_changed_and_rolled_back(fleet: Fleet) -> None:
    api = fleet.api
    patched = [
        fleet.agent(dialect, Host([Patch("openssl", "critical"), Patch("vim")]))
        for dialect in (CodeDialect(), DocumentationDialect())
    ]
    installs = fleet.agent(DocumentationDialect(), Host(installed={"curl": "1.0-1"}))
    removes = fleet.agent(host=Host(installed={"telnet": "1.0-1"}))
    reboots = fleet.agent(host=Host(pending_reboot=True))
    agents = [*patched, installs, removes, reboots]
    ids = [api.add(agent) for agent in agents]
    for host_id in ids:
        api.wait_health(host_id)
    first, second, installing, removing, rebooting = ids

    deployment = api.deploy(first, second)
    wanted = {"operation": "install", "packages": [{"name": "htop"}, {"name": "curl"}]}
    install = api.post(f"/hosts/{installing}/package-operations", wanted, 202)
    gone = {"operation": "remove", "packages": [{"name": "telnet"}], "purge": True}
    remove = api.post(f"/hosts/{removing}/package-operations", gone, 202)
    reboot = api.post(f"/hosts/{rebooting}/reboot", {"reason": "pending for a week"}, 202)
    assert api.get(f"/hosts/{removing}/services/ssh.service")["active_state"] == "active"
    assert fleet.api.http.get(f"/hosts/{removing}/services/nothing").status_code == 404

    assert api.wait_deployment(deployment)["state"] == "succeeded"
    before = api.jobs(deployment)
    rollbacks = []
    for host_id in (first, second):
        path = f"/jobs/{before[host_id]['id']}/rollback"
        preview = api.get(path)
        assert (preview["possible"], preview["agent_knows_job"], len(preview["packages"])) == (True, True, 2)
        rollbacks.append(api.post(path, {}, 202))
    for job in (install, remove, reboot, *rollbacks):
        ended = api.wait_job(job["id"], seconds=90.0)
        assert ended["state"] == "succeeded", ended
    results = {package["name"]: package["result"] for package in api.get(f"/jobs/{install['id']}")["packages"]}
    assert results == {"htop": "installed", "curl": "not_needed"}
    assert (installs.host.installed, removes.host.installed) == ({"curl": "1.0-1", "htop": "9.0-1"}, {})
    assert reboots.host.reboots == 1
    for agent, job in zip(patched, rollbacks, strict=True):
        told = api.get(f"/jobs/{job['id']}")
        assert {package["result"] for package in told["packages"]} == {"restored"}
        assert agent.host.installed == {"openssl": "1.0-1", "vim": "1.0-1"}
        assert sum("rollback" in request.path for request in agent.mutations) == len(agent.applies) == 1
    assert all(agent.limited == [] for agent in agents)
