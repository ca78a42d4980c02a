# SPDX-License-Identifier: Apache-2.0
"""Real receivers, each on a port of its own, in a temporary directory, as nobody where we are root.

Those of the distribution are looked for in PATH. Those that it does not have (otelcol, victoria-logs, loki) are looked for in
the directories of ZINIT_TEST_RECEIVERS, too; docs/shipping.md says how to come by them. What is not there is skipped, by name.

    with receiver("rsyslog") as sink:
        ... send to sink.endpoint ...
        sink.wait(1000)             # so many records
        sink.records()              # [(service, text), ...] in the order that it kept
"""
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from harness.wait import wait_for

PLACES = [p for p in os.environ.get("ZINIT_TEST_RECEIVERS", "").split(":") if p]


def program(name):
    return shutil.which(name, path=os.pathsep.join([*PLACES, os.environ.get("PATH", ""), "/usr/sbin", "/usr/lib/systemd"]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, body=None, headers=None, timeout=20):
    """(status, text); status 0: no answer."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


class Receiver:
    """One program. A class says its name, its configuration, when it is ready and what it has."""
    name = program_name = None
    kind = None                 # the `type` of a [[ship]] table
    deduplicates = False        # a resend of the same line is stored once
    nul = None                  # what becomes of NUL bytes where all others are kept; None: JSON, only UTF-8 is kept
    settings = {}               # further keys of the [[ship]] table

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"zinit-{self.name}-"))
        self.port = free_port()
        self.process = None
        self.log = self.dir / "output.txt"

    @classmethod
    def missing(cls):
        """Why it can't be run here, or None."""
        return None if program(cls.program_name) else f"{cls.program_name} is not installed"

    def __enter__(self):
        try:
            self.prepare()
            if os.getuid() == 0:
                nobody = pwd.getpwnam("nobody")
                for path in [self.dir, *self.dir.rglob("*")]:
                    os.chown(path, nobody.pw_uid, nobody.pw_gid)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        as_nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.dir,
                                            env={**os.environ, **self.environment()}, start_new_session=True, **as_nobody)
        self.look_until(self.ready, 60, "it is ready")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def look_until(self, predicate, timeout, what):
        def look():
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.said()}"
            return predicate()
        try:
            return wait_for(look, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{self.name}: {error}\n{self.said()}") from None

    def said(self):
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def wait(self, count, timeout=30):
        """Wait until it has `count` records."""
        self.look_until(lambda: self.count() >= count, timeout, f"{count} records")

    def count(self):
        return len(self.records())

    # --- what a receiver is --------------------------------------------------------------------

    def prepare(self):
        """Write the configuration."""

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def ready(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def records(self):
        raise NotImplementedError


class Syslog(Receiver):
    kind = "syslog"

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    def records(self):
        file = self.dir / "messages"
        data = file.read_bytes() if file.exists() else b""
        return [(service.decode(), text.decode(errors="surrogateescape")) for service, text in
                (line.split(b"\t", 1) for line in data.split(b"\x1e\n")[:-1])]


class Rsyslog(Syslog):
    """imtcp with octet counting. Control characters are not escaped, so that what was sent can be compared."""
    name = "rsyslog"
    program_name = "rsyslogd"
    nul = "#000"

    def prepare(self):
        (self.dir / "rsyslog.conf").write_text(f"""
global(workDirectory="{self.dir}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{self.port}")
template(name="record" type="list") {{
	property(name="app-name") constant(value="\\t") property(name="msg") constant(value="\x1e\\n")
}}
action(type="omfile" file="{self.dir}/messages" template="record")
""")

    def command(self):
        return [program("rsyslogd"), "-n", "-f", self.dir / "rsyslog.conf", "-i", self.dir / "pid"]


class SyslogNg(Syslog):
    """syslog() with octet counting. In Debian it excludes rsyslog: ZINIT_TEST_RECEIVERS may name a folder with its unpacked packages."""
    name = "syslog-ng"
    program_name = "syslog-ng"
    nul = "\0"

    @classmethod
    def root(cls):
        return next((pathlib.Path(p) / "syslog-ng" for p in PLACES if (pathlib.Path(p) / "syslog-ng/usr/sbin/syslog-ng").exists()), None)

    @classmethod
    def missing(cls):
        return None if cls.root() or program("syslog-ng") else "syslog-ng is not installed"

    def prepare(self):
        (self.dir / "syslog-ng.conf").write_text(f"""@version: 3.38
options {{ keep-hostname(yes); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({self.port}) transport("tcp") max-connections(20) log-msg-size(131072)); }};
destination d {{ file("{self.dir}/messages" template("$PROGRAM\\t$MSG\x1e\\n") flush-lines(1)); }};
log {{ source(s); destination(d); }};
""")

    def command(self):
        root = self.root()
        options = ["-F", "--no-caps", "-f", self.dir / "syslog-ng.conf", "-R", self.dir / "persist", "-p", self.dir / "pid",
                   "-c", self.dir / "control"]
        if not root:
            return [program("syslog-ng"), *options]
        modules = next(root.glob("usr/lib/syslog-ng/*/"))
        return [root / "usr/sbin/syslog-ng", *options, f"--module-path={modules}"]

    def environment(self):
        root = self.root()
        places = [*root.glob("usr/lib/*-linux-gnu"), *root.glob("usr/lib/syslog-ng"), root / "usr/lib"] if root else []
        return {"LD_LIBRARY_PATH": ":".join(map(str, places))}


class ClickHouse(Receiver):
    """MergeTree; a row's time is a DateTime and an Int64 of nanoseconds, which 18.16 has, too."""
    name = "clickhouse"
    program_name = "clickhouse-server"
    kind = "clickhouse"
    settings = {"index": "logs"}

    def prepare(self):
        (self.dir / "users.xml").write_text("""<yandex><profiles><default></default></profiles><quotas><default></default></quotas>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
</default></users></yandex>""")
        (self.dir / "config.xml").write_text(f"""<yandex><logger><level>warning</level><log>{self.dir}/log</log><errorlog>{self.dir}/err</errorlog></logger>
<http_port>{self.port}</http_port><tcp_port>{free_port()}</tcp_port><listen_host>127.0.0.1</listen_host><path>{self.dir}/data/</path>
<tmp_path>{self.dir}/tmp/</tmp_path><users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database><mark_cache_size>1048576</mark_cache_size></yandex>""")

    def command(self):
        return [program("clickhouse-server"), f"--config-file={self.dir}/config.xml"]

    def ready(self):
        if ask(self.endpoint + "/ping")[0] != 200:
            return False
        status, text = ask(self.endpoint, b"CREATE TABLE IF NOT EXISTS logs (timestamp DateTime, timestamp_ns Int64, service String, "
                           b"stream String, id String, content String) ENGINE = MergeTree() PARTITION BY tuple() ORDER BY timestamp_ns")
        assert status == 200, text
        return True

    def records(self):
        status, text = ask(self.endpoint, b"SELECT service, content FROM logs ORDER BY toUInt64(splitByChar('-', id)[2]) FORMAT JSONCompact")
        assert status == 200, text
        return [tuple(row) for row in json.loads(text)["data"]]

    def count(self):
        return int(ask(self.endpoint, b"SELECT count() FROM logs")[1])


class Collector(Receiver):
    """The OpenTelemetry collector: OTLP in, a file of OTLP lines out."""
    name = "otelcol"
    program_name = "otelcol"
    kind = "otlp"

    def prepare(self):
        (self.dir / "config.yaml").write_text(f"""
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{self.port}
exporters:
  file:
    path: {self.dir}/out.jsonl
    append: true
    flush_interval: 100ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [file]
""")

    def command(self):
        return [program("otelcol"), "--config", self.dir / "config.yaml"]

    def records(self):
        file = self.dir / "out.jsonl"
        found = []
        for line in (file.read_bytes() if file.exists() else b"").split(b"\n"):
            try:
                resources = json.loads(line)["resourceLogs"]
            except ValueError:
                continue
            for resource in resources:
                attributes = {a["key"]: next(iter(a["value"].values()), "") for a in resource["resource"]["attributes"]}
                found += [(attributes["service.name"], entry.get("body", {}).get("stringValue", ""))
                          for scope in resource["scopeLogs"] for entry in scope["logRecords"]]
        return found


class VictoriaLogs(Receiver):
    """Its own protocol. It does not keep empty messages as such, and not the order of lines of one time."""
    name = "victorialogs"
    program_name = "victoria-logs"
    kind = "victorialogs"

    def command(self):
        return [program("victoria-logs"), f"-storageDataPath={self.dir}/data", f"-httpListenAddr=127.0.0.1:{self.port}",
                "-retentionPeriod=100y", "-loggerLevel=WARN"]

    def ready(self):
        return ask(self.endpoint + "/health")[0] == 200

    def query(self, text):
        _, body = ask(self.endpoint + "/select/logsql/query?" + urllib.parse.urlencode({"query": text, "limit": 0}))
        return [json.loads(line) for line in body.split("\n") if line]

    def records(self):
        rows = self.query("*")
        number = lambda row: int(row.get("id", "0-0").split("-")[1])    # noqa: E731
        return [(row.get("service") or row.get("service_name"), row.get("_msg", "")) for row in sorted(rows, key=number)]


class VictoriaLogsLoki(VictoriaLogs):
    """Loki's protocol, as VictoriaLogs has it."""
    name = "victorialogs-loki"
    kind = "loki"

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}/insert/loki/api/v1/push?disable_message_parsing=1"

    def ready(self):
        return ask(f"http://127.0.0.1:{self.port}/health")[0] == 200

    def query(self, text):
        _, body = ask(f"http://127.0.0.1:{self.port}/select/logsql/query?" + urllib.parse.urlencode({"query": text, "limit": 0}))
        return [json.loads(line) for line in body.split("\n") if line]


class VictoriaLogsBulk(VictoriaLogsLoki):
    """_bulk, as VictoriaLogs has it."""
    name = "victorialogs-bulk"
    kind = "elasticsearch"

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}/insert/elasticsearch/_bulk?_msg_field=message&_time_field=@timestamp&_stream_fields=service.name"

    def records(self):
        number = lambda row: int(row["zinit.id"].split("-")[1])     # noqa: E731
        return [(row["service.name"], row.get("_msg", "")) for row in sorted(self.query("*"), key=number)]


class Loki(Receiver):
    """Grafana Loki, everything in one process and on the disk."""
    name = program_name = "loki"
    kind = "loki"
    deduplicates = True

    def prepare(self):
        (self.dir / "loki.yaml").write_text(f"""
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {self.port}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {free_port()}
  log_level: warn
common:
  instance_addr: 127.0.0.1
  path_prefix: {self.dir}/data
  replication_factor: 1
  ring:
    kvstore:
      store: inmemory
  storage:
    filesystem:
      chunks_directory: {self.dir}/data/chunks
      rules_directory: {self.dir}/data/rules
schema_config:
  configs:
    - from: 2020-01-01
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {{prefix: index_, period: 24h}}
analytics:
  reporting_enabled: false
limits_config:
  max_entries_limit_per_query: 1000000
  reject_old_samples: false
""")

    def command(self):
        return [program("loki"), f"-config.file={self.dir}/loki.yaml"]

    def ready(self):
        return ask(self.endpoint + "/ready")[0] == 200

    def records(self):
        query = urllib.parse.urlencode({"query": '{service_name=~".+"}', "limit": 1000000, "direction": "forward",
                                        "start": int((time.time() - 86400) * 1e9)})
        status, text = ask(f"{self.endpoint}/loki/api/v1/query_range?{query}")
        if status != 200:
            return []
        rows = [(int(value[0]), stream["stream"]["service_name"], value[1]) for stream in json.loads(text)["data"]["result"]
                for value in stream["values"]]
        return [(service, text) for _, service, text in sorted(rows)]


CLASSES = {c.name: c for c in (Rsyslog, SyslogNg, ClickHouse, Collector, VictoriaLogs, VictoriaLogsLoki, VictoriaLogsBulk, Loki)}


def receiver(name):
    return CLASSES[name]()
