# SPDX-License-Identifier: Apache-2.0
"""Figures for Prometheus: both text formats, judged by other people's parsers, and what the figures say."""
import shutil
import subprocess

import pytest
from harness import rude
from harness.wait import wait_for
from test_health import SLEEP, health

parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="no python3-prometheus-client")


def families(server, **params):
    text = server.rpc("system.metrics", {"format": "openmetrics", **params})["text"]
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def value(server, sample, **labels):
    """The value of the one sample of that name that has these labels, or None."""
    found = [s.value for f in families(server).values() for s in f.samples
             if s.name == sample and all(s.labels.get(key) == str(wanted) for key, wanted in labels.items())]
    assert len(found) <= 1, f"{sample} {labels} is there {len(found)} times"
    return found[0] if found else None


@pytest.fixture
def shop(server):
    server.add("web", "echo up; exec sleep 1000", health=health("exec", "true", timeout_ms=10000, interval_ms=30))
    server.add("sick", SLEEP, start_timeout_ms=86400000, health=health("exec", "exit 3", timeout_ms=10000, interval_ms=30, retries=1000000, on_failure="mark"))
    server.add("broken", "exit 4", restart="never")
    server.write("noisy.toml", '[service]\nexec = "seq 1000; exec sleep 1000"\n[logging]\nrate_limit = 10\n')
    server.write("all.toml", '[target]\nname = "all"\n[dependencies]\nrequires = ["web"]\n')
    server.write("bad.toml", "[service]\nexec = 1\n")
    server.start()
    server.wait_state("web", "running")
    server.wait_state("broken", "failed")
    return server


def test_what_the_figures_say(shop):
    assert value(shop, "zinit_service_up", service="web") == 1
    assert value(shop, "zinit_service_up", service="all") == 1
    assert value(shop, "zinit_service_up", service="broken") == 0
    assert value(shop, "zinit_service_state", service="broken", state="failed") == 1
    assert value(shop, "zinit_service_last_exit_code", service="broken") == 4
    assert value(shop, "zinit_services", state="failed") == 1
    assert value(shop, "zinit_invalid_files") == 1
    assert value(shop, "zinit_service_start_time_seconds", service="web") > 1.6e9
    assert value(shop, "zinit_process_resident_memory_bytes", process="server") > 1e6


def test_restarts_and_runs(server):
    server.add("web", SLEEP, restart_delay_ms=10)
    server.start()
    for _ in range(2):
        pid = server.wait_pid("web")
        assert server.cli("kill", "web", "KILL").returncode == 0
        server.wait_pid("web", other_than=pid)
    wait_for(lambda: value(server, "zinit_service_restarts_total", service="web") == 2)
    assert value(server, "zinit_service_runs_total", service="web") == 3


def test_health_in_figures(shop):
    """Results by their names, durations, the last error, failures in a row."""
    labels = {"service": "sick", "check": 0, "type": "exec"}
    wait_for(lambda: (value(shop, "zinit_health_probes_total", result="NonZeroExit", **labels) or 0) > 3)
    assert value(shop, "zinit_health_last_error", error="NonZeroExit", **labels) == 1
    assert value(shop, "zinit_health_failures_in_a_row", **labels) > 1
    assert value(shop, "zinit_health_probe_duration_seconds_sum", **labels) > 0
    assert value(shop, "zinit_health_probe_last_duration_seconds", **labels) > 0
    wait_for(lambda: (value(shop, "zinit_health_probes_total", service="web", result="ok") or 0) > 3)
    assert value(shop, "zinit_service_healthy", service="web") == 1
    assert value(shop, "zinit_health_last_error", service="web") is None
    counted = value(shop, "zinit_health_probe_duration_seconds_count", **labels)
    assert counted <= value(shop, "zinit_health_probes_total", result="NonZeroExit", **labels)


def test_counting_goes_on_over_runs(server):
    server.add("web", SLEEP, restart_delay_ms=10, health=health("exec", "true", timeout_ms=10000, interval_ms=20))
    server.start()
    server.wait_state("web", "running")
    before = wait_for(lambda: value(server, "zinit_health_probes_total", service="web", result="ok"))
    assert server.cli("restart", "web").returncode == 0
    assert value(server, "zinit_health_probes_total", service="web", result="ok") > before


def test_the_prober_has_figures(server):
    with rude.Rude(rude.fine) as host:
        server.add("web", SLEEP, health=health("http", f"http://127.0.0.1:{host.port}/", interval_ms=50))
        server.start()
        server.wait_state("web", "running")
        assert value(server, "zinit_process_threads", process="prober") >= 1


def test_logs_in_figures(shop):
    wait_for(lambda: (value(shop, "zinit_log_dropped_lines_total", service="noisy", reason="rate_limit") or 0) > 900)
    assert value(shop, "zinit_log_read_bytes_total", service="noisy") == sum(len(f"{n}\n") for n in range(1, 1001))
    wait_for(lambda: value(shop, "zinit_log_lines_total", service="web") == 1)
    assert value(shop, "zinit_log_lines_total", service="zinit") > 0


def test_usage_and_names(shop):
    asked = families(shop, usage=True, names=["web"])
    assert {s.labels["service"] for s in asked["zinit_service_up"].samples} == {"web"}
    assert asked["zinit_service_memory_bytes"].samples[0].value > 0
    assert "zinit_service_memory_bytes" not in families(shop)
    bad = shop.cli("metrics", "nobody")
    assert bad.returncode != 0 and "nobody" in bad.stderr


def test_the_older_format_is_what_promtool_takes(shop):
    promtool = shutil.which("promtool")
    text = shop.cli("metrics", "-a").stdout
    assert "# TYPE zinit_events_total counter" in text and "# EOF" not in text
    if not promtool:
        pytest.skip("no promtool")
    judged = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert judged.returncode == 0 and not judged.stderr, judged.stderr
