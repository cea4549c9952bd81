// The settings of upstreams (elements of the list `upstreams`), of micro-batching (within a route) and of admission.
#pragma once

#include <string>
#include <vector>

#include "http/client/client.h"
#include "pipeline/upstream/admission.h"
#include "pipeline/upstream/batch_json.h"
#include "pipeline/upstream/breaker.h"
#include "pipeline/upstream/health_checker.h"
#include "pipeline/upstream/micro_batcher.h"
#include "pipeline/upstream/options.h"
#include "pipeline/upstream/pool.h"
#include "pipeline/upstream/retry.h"
#include "settings/table.h"

namespace tidegate::upstream {

/// Of a route whose upstream takes lists.
struct BatchSettings {
    bool enabled = false;
    std::string target;
    bool isolate = true;
    std::vector<std::string> ignore_headers;
    BatchOptions options;
    BatchFormat format;
};

inline void declare_target(settings::Table& t, TargetOptions& o) {
    t.add("url", o.url, "").required().doc("`http://HOST[:PORT]` or `https://...`, without path or user.");
    t.add("weight", o.weight, o.weight).range(1, 1000).doc("Share of the requests against the other targets.");
}

inline void declare_times(settings::Table& t, UpstreamOptions& o) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    t.add("timeouts.connect_ms", o.times.connect_max, o.times.connect_max)
        .range(milliseconds(1), hours(1))
        .doc("Name look-up, connection, TLS, and waiting for a free connection.");
    t.add("timeouts.first_byte_ms", o.times.first_byte_max, o.times.first_byte_max)
        .range(milliseconds(1), hours(24))
        .doc("From the last byte of the request to the head of the answer.");
    t.add("timeouts.idle_ms", o.times.idle_max, o.times.idle_max)
        .range(milliseconds(1), hours(24))
        .doc("Between two pieces of an answer.");
    t.add("timeouts.total_ms", o.times.total_max, o.times.total_max)
        .range(milliseconds(1), hours(24))
        .doc("The whole call.");
    t.add("connections.max", o.connections.connections_max, o.connections.connections_max)
        .range(1, 65536)
        .doc("Connections to one target on one event loop.");
    t.add("connections.waiting_max", o.connections.waiting_max, o.connections.waiting_max)
        .range(0, 1'000'000)
        .doc("Calls that wait for one of them; one more fails at once.");
    t.add("connections.idle_max", o.connections.idle_connections_max, o.connections.idle_connections_max)
        .range(0, 65536)
        .doc("Connections kept for later.");
    t.add("connections.idle_s", o.connections.idle_connection_max, o.connections.idle_connection_max)
        .range(milliseconds(0), hours(24))
        .doc("How long they are kept.");
    t.add("tls.ca_file", o.tls.ca_file, "").doc("PEM file of the authorities to trust; empty: the system's.");
    t.add("tls.verify", o.tls.verify, true).doc("Check the certificate and its name.");
    t.add("tls.server_name", o.tls.server_name, "").doc("Name to ask for and to check; empty: the target's host.");
}

inline void declare_balance(settings::Table& t, UpstreamOptions& o) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    BalanceOptions& balance = o.pool.balance;
    t.add("balance", o.balance, "least_request")
        .choices({"least_request", "round_robin"})
        .doc("How a target is chosen: fewest calls under way of two drawn by weight, or in turn.");
    t.add("slow_start_s", balance.slow_start, balance.slow_start)
        .range(milliseconds(0), hours(1))
        .doc("A fresh or recovered target comes to its full share over this time.");
    t.add("panic_share", balance.panic_share, balance.panic_share)
        .range(0, 1)
        .doc(
            "With a smaller share of targets usable, ejection and health checks are not believed; breakers are. 0: "
            "never.");
    RetryOptions& retry = o.retry;
    t.add("retries.attempts_max", retry.attempts_max, retry.attempts_max)
        .range(1, 10)
        .doc("Attempts with the first; 1: no retries. Only what is safe to repeat is repeated.");
    t.add("retries.budget_share", retry.budget_share, retry.budget_share)
        .range(0, 1)
        .doc("Retries under way against requests under way.");
    t.add("retries.budget_min", retry.budget_min, retry.budget_min)
        .range(0, 1000)
        .doc("Retries allowed under way however few requests there are.");
    t.add("retries.backoff_ms", retry.backoff_base, retry.backoff_base)
        .range(milliseconds(0), hours(1))
        .doc("Longest wait before the first retry; doubles with each. The wait itself is drawn evenly below it.");
    t.add("retries.backoff_max_ms", retry.backoff_max, retry.backoff_max)
        .range(milliseconds(0), hours(1))
        .doc("Where the doubling ends.");
}

inline void declare_breaker(settings::Table& t, BreakerOptions& o) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    t.add("breaker.enabled", o.enabled, o.enabled).doc("Stop calls to a target that fails.");
    t.add("breaker.failures_max", o.failures_max, o.failures_max)
        .range(1, 10000)
        .doc("Failures in a row that open it.");
    t.add("breaker.window", o.window, o.window).range(1, 10000).unit("calls").doc("Calls looked back on.");
    t.add("breaker.calls_min", o.calls_min, o.calls_min)
        .range(1, 10000)
        .unit("calls")
        .doc("Fewer calls in the window say nothing about a share.");
    t.add("breaker.failure_share_max", o.failure_share_max, o.failure_share_max)
        .range(0.01, 1)
        .doc("Share of failures in the window that opens it.");
    t.add("breaker.open_s", o.open_for, o.open_for)
        .range(milliseconds(1), hours(24))
        .doc("How long it stays open at first; doubles with each failed trial, with jitter.");
    t.add("breaker.open_max_s", o.open_max, o.open_max)
        .range(milliseconds(1), hours(24))
        .doc("Where the doubling ends.");
    t.add("breaker.probes", o.probes, o.probes).range(1, 1000).unit("calls").doc("Calls of a trial.");
    t.add("breaker.count_429", o.count_throttled, o.count_throttled).doc("Count `429 Too Many Requests` as a failure.");
    t.add("breaker.count_408", o.count_request_timeout, o.count_request_timeout)
        .doc("Count `408 Request Timeout` as a failure.");
}

inline void declare_outlier(settings::Table& t, OutlierOptions& o) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    t.add("outlier.enabled", o.enabled, o.enabled).doc("Leave out a target that does worse than the others.");
    t.add("outlier.errors_max", o.errors_max, o.errors_max)
        .range(1, 10000)
        .doc("Gateway failures (502 to 504, connection, time-out) in a row.");
    t.add("outlier.interval_s", o.interval, o.interval)
        .range(milliseconds(10), hours(1))
        .doc("How often success rates are compared.");
    t.add("outlier.eject_s", o.eject_for, o.eject_for)
        .range(milliseconds(1), hours(24))
        .doc("How long a target is left out, times its ejections in a row.");
    t.add("outlier.eject_max_s", o.eject_max, o.eject_max).range(milliseconds(1), hours(24)).doc("The longest.");
    t.add("outlier.ejected_share_max", o.ejected_share_max, o.ejected_share_max)
        .range(0, 1)
        .doc("Share of the targets that may be left out; one always may, the last one never.");
    t.add("outlier.hosts_min", o.hosts_min, o.hosts_min)
        .range(2, 64)
        .doc("Targets with enough calls that a comparison needs.");
    t.add("outlier.calls_min", o.calls_min, o.calls_min)
        .range(1, 1'000'000)
        .doc("Calls in an interval that are enough.");
    t.add("outlier.deviations", o.deviations, o.deviations)
        .range(0.1, 10)
        .doc("Standard deviations below the mean success rate that are too far.");
}

inline void declare_health(settings::Table& t, HealthOptions& o) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    t.add("health.path", o.path, "").doc("Path to ask each target for; empty: no active checks.");
    t.add("health.interval_s", o.interval, o.interval)
        .range(milliseconds(10), hours(1))
        .doc("How often, less or more a tenth.");
    t.add("health.timeout_s", o.timeout, o.timeout)
        .range(milliseconds(1), hours(1))
        .doc("No answer by then is a bad one.");
    t.add("health.failures_max", o.failures_max, o.failures_max)
        .range(1, 1000)
        .doc("Bad answers in a row that take a target out.");
    t.add("health.successes_min", o.successes_min, o.successes_min)
        .range(1, 1000)
        .doc("Good answers in a row that bring it back.");
    t.add("health.status_min", o.status_min, o.status_min).range(100, 599).doc("Lowest status that is good.");
    t.add("health.status_max", o.status_max, o.status_max).range(100, 599).doc("Highest status that is good.");
}

inline void declare_admission(settings::Table& t, AdmissionOptions& o) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    t.add("admission.concurrency_max", o.concurrency_max, o.concurrency_max)
        .range(1, 1'000'000)
        .doc("Requests in work at once over all loops.");
    t.add("admission.adaptive", o.adaptive, o.adaptive)
        .doc("Find the limit from the time to first byte (gradient), between concurrency_min and concurrency_max.");
    t.add("admission.concurrency_min", o.concurrency_min, o.concurrency_min)
        .range(1, 1'000'000)
        .doc("Where `adaptive` begins, and its lower end.");
    t.add("admission.waiting_max", o.waiting_max, o.waiting_max)
        .range(0, 1'000'000)
        .doc("Requests that wait for a place; one more gets 503.");
    t.add("admission.wait_max_ms", o.wait_max, o.wait_max)
        .range(milliseconds(1), hours(1))
        .doc("Longest wait for a place, then 503.");
    t.add("admission.wait_target_ms", o.wait_target, o.wait_target)
        .range(milliseconds(1), hours(1))
        .doc("Waiting above this for a whole wait_interval is a standing queue, from which requests are shed.");
    t.add("admission.wait_interval_ms", o.wait_interval, o.wait_interval)
        .range(milliseconds(1), hours(1))
        .doc("See wait_target_ms.");
    t.add("admission.newest_first", o.newest_first, o.newest_first)
        .doc("Serve the newest first while the queue stands: some in time rather than all too late.");
}

/// One element of `upstreams`: `table.list("upstreams", s.upstreams, upstream::declare_upstream, "...", "name")`.
inline void declare_upstream(settings::Table& t, UpstreamOptions& o) {
    t.add("name", o.name, "").required().doc("Name by which routes call it.");
    t.list("targets", o.targets, declare_target, "The servers behind it.");
    t.add("allow_link_local", o.allow_link_local, false)
        .doc("Allow targets at link-local addresses, where clouds keep their metadata.");
    declare_balance(t, o);
    declare_times(t, o);
    declare_breaker(t, o.pool.breaker);
    declare_outlier(t, o.pool.outlier);
    declare_health(t, o.health);
    declare_admission(t, o.admission);
}

/// Within an element of `routes`.
inline void declare_batch(settings::Table& t, BatchSettings& s) {
    using std::chrono::milliseconds;
    BatchOptions& o = s.options;
    t.add("batch.enabled", s.enabled, false)
        .doc("Merge POST requests that come at the same time into one call with a list.");
    t.add("batch.target", s.target, "").doc("Path of the call with the list; empty: the path of the request.");
    t.add("batch.isolate", s.isolate, true)
        .doc("When a merged call is refused with a 4xx, ask about each of its items alone, once; false: 502 for all.");
    t.add("batch.ignore_headers", s.ignore_headers, {})
        .doc("Request fields that do not matter: they are not passed on, and may differ within a batch.");
    t.add("batch.items_max", o.items_max, o.items_max).range(1, 65536).doc("Items of one call.");
    t.add("batch.bytes_max", o.bytes_max, o.bytes_max)
        .range(1024, 1U << 30U)
        .bytes()
        .doc("Bytes of the items of one call; one larger item is refused with 413.");
    t.add("batch.wait_ms", o.wait_max, o.wait_max)
        .range(milliseconds(0), std::chrono::seconds(10))
        .doc("Longest wait for company while another call is under way.");
    t.add("batch.calls_max", o.calls_max, o.calls_max).range(1, 1024).doc("Calls under way at once.");
    t.add("batch.waiting_max", o.waiting_max, o.waiting_max)
        .range(1, 1'000'000)
        .doc("Items that wait; one more gets 503.");
    BatchFormat& f = s.format;
    t.add("batch.lists", f.lists, false)
        .doc("Clients send and get lists themselves, in the upstream's own form; false: one item, one result.");
    t.add("batch.item_field", f.item_field, "")
        .doc("Member of the request that is the item; empty: the whole body. Other members must be equal in a batch.");
    t.add("batch.items_field", f.items_field, "")
        .doc("Member of the upstream's request that takes the list; empty: the body.");
    t.add("batch.results_field", f.results_field, "").doc("Member of its answer that is the list; empty: the body.");
    t.add("batch.result_field", f.result_field, "").doc("Member of our answer that is the result; empty: the body.");
    t.add("batch.error_field", f.error_field, "")
        .doc("A result with this member, not null, is an error of its own item (422); empty: there are none.");
    t.add("batch.index_field", f.index_field, "")
        .doc("Member of a result that is its place in the list, written anew for each client; empty: none.");
    t.add("batch.answer_fields", f.answer_fields, {})
        .doc("Members of the upstream's answer that hold for each item, and go to every client; others go to nobody.");
}

inline void declare(settings::Table& t, AdmissionSettings& s) {
    t.group("admission", "When new work is refused");
    t.add("admission.memory_bytes_max", s.memory_bytes_max, 0)
        .range(0, 1ULL << 50U)
        .bytes()
        .doc("Memory of the process above which new work gets 503; 0: by admission.memory_share_max alone.");
    t.add("admission.memory_share_max", s.memory_share_max, s.memory_share_max)
        .range(0.1, 1)
        .doc("The same as a share of what the control group or the machine allows.");
}

}  // namespace tidegate::upstream
