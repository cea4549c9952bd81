#!/usr/bin/env bash
# A real Kafka broker for the tests and the benchmark: Apache Kafka in KRaft mode, one node on loopback, from Maven Central.
#
#   tools/dev/kafka.sh fetch LIB                    the broker's jars into LIB (46 MB), once; Maven and a JRE by apt when they are missing
#   tools/dev/kafka.sh run LIB DATA PORT PARTITIONS the broker in the foreground, its data in DATA; PORT and PORT + 1 on 127.0.0.1
#
# `run` becomes the broker's process itself: killing it kills the broker. Topics are made when somebody sends to them.
set -euo pipefail

version=3.9.1
die() {
    printf 'kafka: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

need_java() {
    command -v java >/dev/null 2>&1 && command -v mvn >/dev/null 2>&1 && return
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends default-jre-headless maven >/dev/null 2>&1 </dev/null ||
        die "neither Java and Maven nor a way to install them"
}

fetch() {
    local lib=$1 work
    [ -e "$lib/.complete-$version" ] && return
    need_java
    mkdir -p "$lib"
    work=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    cat >"$work/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidegate.test</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
END
    timeout 300 mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$(realpath "$lib")" -DincludeScope=runtime >"$work/log" 2>&1 </dev/null ||
        die "Maven cannot fetch the broker: $(grep -m1 ERROR "$work/log" || tail -1 "$work/log")"
    touch "$lib/.complete-$version"
}

run() {
    local lib=$1 data=$2 port=$3 partitions=$4
    mkdir -p "$data"
    cat >"$data/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$data/log
num.partitions=$partitions
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=6291456
log.retention.hours=-1
END
    if [ ! -e "$data/log/meta.properties" ]; then
        java -cp "$lib/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=error kafka.tools.StorageTool format -t dGlkZWdhdGUtYnJva2VyMQ -c "$data/server.properties" >"$data/format.log" 2>&1 ||
            die "the broker's storage cannot be made: $(tail -1 "$data/format.log")"
    fi
    exec java -Xmx768m -cp "$lib/*" -Dorg.slf4j.simpleLogger.defaultLogLevel="${KAFKA_LOG_LEVEL:-warn}" kafka.Kafka "$data/server.properties" >>"$data/broker.log" 2>&1 </dev/null
}

case ${1:-} in
    fetch) fetch "${2:?a folder for the jars}" ;;
    run) run "${2:?LIB}" "${3:?DATA}" "${4:?PORT}" "${5:?PARTITIONS}" ;;
    *) die "fetch LIB | run LIB DATA PORT PARTITIONS" ;;
esac
