// The result file: its JSON written and read. The two halves stand side by side, so that they stay inverse.
#include <fmt/core.h>

#include <functional>
#include <utility>

#include "base/json.h"
#include "base/json_writer.h"
#include "load/milliseconds.h"
#include "load/result.h"

namespace tidegate::load {
namespace {

constexpr std::string_view kFormat = "tidegate-load-1";

// ---- Writing.

void write_latencies(JsonWriter& writer, std::string_view key, const Latencies& of) {
    // Null without any: 0 would be the best of all.
    const auto time = [&](std::string_view name, double nanoseconds) {
        writer.key(name);
        of.count() > 0 ? writer.value(ms(nanoseconds)) : writer.null();
    };
    writer.key(key).begin_object().field("count", of.count());
    time("mean_ms", of.mean());
    time("deviation_ms", of.deviation());
    time("min_ms", static_cast<double>(of.min()));
    for (const auto& [name, q] : {std::pair<std::string_view, double>{"p50_ms", 0.5},
                                  {"p75_ms", 0.75},
                                  {"p90_ms", 0.9},
                                  {"p95_ms", 0.95},
                                  {"p99_ms", 0.99},
                                  {"p99_9_ms", 0.999},
                                  {"p99_99_ms", 0.9999}}) {
        time(name, of.quantile(q));
    }
    time("max_ms", static_cast<double>(of.max()));
    // For whoever computes more of it: what read() restores.
    writer.key("histogram").begin_object();
    writer.field("scale", "log-linear, 256 steps for each power of two, nanoseconds").field("sum_ns", of.sum());
    writer.field("min_ns", of.min()).field("max_ns", of.max()).key("steps").begin_array();
    for (const auto& [step, count] : of.steps()) writer.begin_array().value(step).value(count).end_array();
    writer.end_array().end_object().end_object();
}

void write_counts(JsonWriter& writer, std::string_view key, const std::map<std::string, std::uint64_t>& counts) {
    writer.key(key).begin_object();
    for (const auto& [name, count] : counts) writer.field(name, count);
    writer.end_object();
}

void write_figures(JsonWriter& writer, const Figures& figures) {
    writer.begin_object().field("name", figures.name).field("method", figures.method).field("handler", figures.handler);
    writer.field("weight", figures.weight).field("requests", figures.sent).field("repeats", figures.repeats);
    writer.field("good", figures.good).field("errors", figures.errors).field("error_share", figures.error_share());
    write_counts(writer, "errors_by", figures.errors_by);
    write_counts(writer, "statuses", figures.statuses);
    write_latencies(writer, "latency", figures.ok);
    if (figures.refused.count() > 0) write_latencies(writer, "latency_of_refusals", figures.refused);
    writer.end_object();
}

void write_plan(JsonWriter& writer, const Plan& plan) {
    const bool open = plan.loop == Loop::kOpen;
    writer.key("settings").begin_object().field("profile", plan.profile);
    writer.field("loop", open ? "open" : "closed");
    if (open) writer.field("arrivals", plan.arrivals == Arrivals::kPoisson ? "poisson" : "constant");
    writer.field("latency_from",
                 open ? "the moment at which the request was due" : "the moment at which the request was sent");
    writer.key("stages").begin_array();
    for (const Stage& stage : plan.stages) {
        writer.begin_object()
            .field("seconds", stage.seconds)
            .field("from", stage.from)
            .field("to", stage.to)
            .end_object();
    }
    writer.end_array().field("level_is", open ? "requests a second" : "users").field("ramp_s", plan.ramp_s);
    writer.field("warm_up_s", plan.warm_up_s).field("connections", plan.connections).field("threads", plan.threads);
    writer.field("timeout_s", plan.timeout_s).field("think_s", plan.think_s).field("requests", plan.requests);
    writer.field("heavy", plan.heavy).field("seed", plan.seed).field("repeats", plan.repeats);
    writer.field("hot_keys", plan.hot_keys).end_object();
}

void write_server(JsonWriter& writer, const ServerView& view) {
    writer.key("server_metrics").begin_object().field("requests", view.requests).field("cpu_s", view.cpu_s);
    writer.field("cpu_us_per_request", view.cpu_us_per_request);
    writer.field("resident_before_mb", view.resident_before_mb).field("resident_after_mb", view.resident_after_mb);
    writer.field("open_files_before", view.open_files_before).field("open_files_after", view.open_files_after);
    write_counts(writer, "statuses", view.statuses);
    writer.key("routes").begin_array();
    for (const ServerView::Route& route : view.routes) {
        writer.begin_object().field("method", route.method).field("handler", route.handler).field("count", route.count);
        writer.field("mean_ms", route.mean_ms).field("p50_ms", route.p50_ms).field("p95_ms", route.p95_ms);
        writer.field("p99_ms", route.p99_ms).end_object();
    }
    writer.end_array().end_object();
}

void write_totals(JsonWriter& writer, const RunResult& r) {
    writer.field("began", r.began).field("ended", r.ended).field("interrupted", r.interrupted);
    writer.field("window_s", r.window_s).field("answers_per_s", r.answers_per_s);
    writer.field("repeat_share", r.repeat_share()).field("warm_up_requests", r.warm_up);
    writer.field("connects", r.connects).field("connect_failures", r.connect_failures);
    writer.field("reconnects", r.reconnects).field("cut_off", r.cut_off).field("bytes_in", r.bytes_in);
    writer.field("generator_cpu_s", r.generator_cpu_s);
}

// ---- Reading. A member that is missing or of another kind makes the whole no result file.

struct Reader {
    bool good = true;

    json::Value member(json::Value object, std::string_view name, json::Kind kind) {
        if (object.kind() == json::Kind::kObject) {
            if (const auto found = object.find(name);
                found && (found->kind() == kind || (kind == json::Kind::kDouble && found->is_number()))) {
                return *found;
            }
        }
        good = false;
        return object;
    }
    double number(json::Value object, std::string_view name) {
        const json::Value value = member(object, name, json::Kind::kDouble);
        return value.is_number() ? value.as_double() : 0;
    }
    std::uint64_t count(json::Value object, std::string_view name) {
        const double value = number(object, name);
        good = good && value >= 0 && value < 1.8e19;
        return good ? static_cast<std::uint64_t>(value) : 0;
    }
    std::string text(json::Value object, std::string_view name) {
        const json::Value value = member(object, name, json::Kind::kString);
        return value.kind() == json::Kind::kString ? std::string(value.as_string()) : std::string();
    }
    bool flag(json::Value object, std::string_view name) {
        const json::Value value = member(object, name, json::Kind::kBool);
        return value.kind() == json::Kind::kBool && value.as_bool();
    }
    void each(json::Value object, std::string_view name, const std::function<void(json::Value)>& visit) {
        const json::Value value = member(object, name, json::Kind::kArray);
        if (value.kind() == json::Kind::kArray) value.each([&](json::Value one) { visit(one); });
    }
    std::map<std::string, std::uint64_t> counts(json::Value object, std::string_view name) {
        std::map<std::string, std::uint64_t> out;
        const json::Value value = member(object, name, json::Kind::kObject);
        if (!good) return out;
        value.each_member([&](std::string_view key, json::Value one) {
            good = good && one.is_number() && one.as_double() >= 0;
            if (good) out[std::string(key)] = static_cast<std::uint64_t>(one.as_double());
        });
        return out;
    }
};

void read_latencies(Reader& reader, json::Value object, std::string_view key, Latencies& out) {
    const json::Value histogram =
        reader.member(reader.member(object, key, json::Kind::kObject), "histogram", json::Kind::kObject);
    std::vector<std::pair<std::uint32_t, std::uint64_t>> steps;
    reader.each(histogram, "steps", [&](json::Value pair) {
        std::vector<double> both;
        if (pair.kind() == json::Kind::kArray) {
            pair.each([&](json::Value one) { both.push_back(one.is_number() ? one.as_double() : -1); });
        }
        reader.good = reader.good && both.size() == 2 && both[0] >= 0 && both[0] < 100'000 && both[1] > 0;
        if (reader.good) steps.emplace_back(static_cast<std::uint32_t>(both[0]), static_cast<std::uint64_t>(both[1]));
    });
    const double sum = reader.number(histogram, "sum_ns");
    const std::uint64_t least = reader.count(histogram, "min_ns");
    const std::uint64_t most = reader.count(histogram, "max_ns");
    reader.good = reader.good && out.restore(steps, sum, least, most);
}

void read_figures(Reader& reader, json::Value object, Figures& out) {
    out.name = reader.text(object, "name");
    out.method = reader.text(object, "method");
    out.handler = reader.text(object, "handler");
    out.weight = reader.number(object, "weight");
    out.sent = reader.count(object, "requests");
    out.repeats = reader.count(object, "repeats");
    out.good = reader.count(object, "good");
    out.errors = reader.count(object, "errors");
    out.errors_by = reader.counts(object, "errors_by");
    out.statuses = reader.counts(object, "statuses");
    read_latencies(reader, object, "latency", out.ok);
    if (reader.good && object.find("latency_of_refusals"))
        read_latencies(reader, object, "latency_of_refusals", out.refused);
}

void read_plan(Reader& reader, json::Value settings, Plan& plan) {
    plan.profile = reader.text(settings, "profile");
    plan.loop = reader.text(settings, "loop") == "open" ? Loop::kOpen : Loop::kClosed;
    if (plan.loop == Loop::kOpen) {
        plan.arrivals = reader.text(settings, "arrivals") == "constant" ? Arrivals::kConstant : Arrivals::kPoisson;
    }
    reader.each(settings, "stages", [&](json::Value stage) {
        plan.stages.push_back({.seconds = reader.number(stage, "seconds"),
                               .from = reader.number(stage, "from"),
                               .to = reader.number(stage, "to")});
    });
    plan.ramp_s = reader.number(settings, "ramp_s");
    plan.warm_up_s = reader.number(settings, "warm_up_s");
    plan.connections = static_cast<unsigned>(reader.count(settings, "connections"));
    plan.threads = static_cast<unsigned>(reader.count(settings, "threads"));
    plan.timeout_s = reader.number(settings, "timeout_s");
    plan.think_s = reader.number(settings, "think_s");
    plan.requests = reader.count(settings, "requests");
    plan.heavy = reader.flag(settings, "heavy");
    plan.seed = reader.count(settings, "seed");
    plan.repeats = reader.number(settings, "repeats");
    plan.hot_keys = static_cast<std::uint32_t>(reader.count(settings, "hot_keys"));
}

ServerView read_server(Reader& reader, json::Value object) {
    ServerView view;
    view.requests = reader.count(object, "requests");
    view.cpu_s = reader.number(object, "cpu_s");
    view.cpu_us_per_request = reader.number(object, "cpu_us_per_request");
    view.resident_before_mb = reader.number(object, "resident_before_mb");
    view.resident_after_mb = reader.number(object, "resident_after_mb");
    view.open_files_before = reader.number(object, "open_files_before");
    view.open_files_after = reader.number(object, "open_files_after");
    view.statuses = reader.counts(object, "statuses");
    reader.each(object, "routes", [&](json::Value route) {
        view.routes.push_back({.method = reader.text(route, "method"),
                               .handler = reader.text(route, "handler"),
                               .count = reader.count(route, "count"),
                               .mean_ms = reader.number(route, "mean_ms"),
                               .p50_ms = reader.number(route, "p50_ms"),
                               .p95_ms = reader.number(route, "p95_ms"),
                               .p99_ms = reader.number(route, "p99_ms")});
    });
    return view;
}

void read_machine(Reader& reader, json::Value object, Machine& machine) {
    machine.cpu = reader.text(object, "cpu");
    machine.cores = static_cast<unsigned>(reader.count(object, "cores"));
    machine.kernel = reader.text(object, "kernel");
    machine.memory_gib = reader.number(object, "memory_gib");
    machine.load_before = reader.number(object, "load_before");
    machine.commit = reader.text(object, "commit");
}

void read_totals(Reader& reader, json::Value root, RunResult& r) {
    r.tool = reader.text(root, "tool");
    r.target = reader.text(root, "target");
    r.server = reader.text(root, "server");
    r.label = reader.text(root, "label");
    r.began = reader.text(root, "began");
    r.ended = reader.text(root, "ended");
    r.interrupted = reader.flag(root, "interrupted");
    r.window_s = reader.number(root, "window_s");
    r.answers_per_s = reader.number(root, "answers_per_s");
    r.warm_up = reader.count(root, "warm_up_requests");
    r.connects = reader.count(root, "connects");
    r.connect_failures = reader.count(root, "connect_failures");
    r.reconnects = reader.count(root, "reconnects");
    r.cut_off = reader.count(root, "cut_off");
    r.bytes_in = reader.count(root, "bytes_in");
    r.generator_cpu_s = reader.number(root, "generator_cpu_s");
}

}  // namespace

std::string write(const RunResult& r) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("format", kFormat).field("tool", r.tool).field("label", r.label);
    writer.field("target", r.target)
        .field("server", r.server)
        .key("machine")
        .begin_object()
        .field("cpu", r.machine.cpu);
    writer.field("cores", r.machine.cores).field("kernel", r.machine.kernel);
    writer.field("memory_gib", r.machine.memory_gib).field("load_before", r.machine.load_before);
    writer.field("commit", r.machine.commit).end_object();
    write_plan(writer, r.plan);
    write_totals(writer, r);
    writer.key("slo").begin_array();
    for (const SloOutcome& slo : r.slo) {
        writer.begin_object().field("slo", slo.text).field("value", slo.value).field("shown", slo.shown);
        writer.field("met", slo.met).end_object();
    }
    writer.end_array().key("left_out").begin_array();
    for (const LeftOut& one : r.left_out) {
        writer.begin_object().field("operation", one.name).field("reason", one.reason).end_object();
    }
    writer.end_array().key("all");
    write_figures(writer, r.all);
    writer.key("operations").begin_array();
    for (const Figures& figures : r.operations) write_figures(writer, figures);
    writer.end_array();
    write_latencies(writer, "generator_late", r.late);
    if (r.server_view) {
        write_server(writer, *r.server_view);
    } else {
        writer.field("server_metrics_absent", r.server_view_absent);
    }
    writer.field("interval_s", r.interval_s).key("series").begin_array();
    for (const Interval& one : r.series) {
        writer.begin_object().field("good", one.good).field("errors", one.errors).field("p50_ms", ms(one.p50));
        writer.field("p95_ms", ms(one.p95)).field("p99_ms", ms(one.p99)).field("max_ms", ms(one.max)).end_object();
    }
    writer.end_array().end_object();
    out.push_back('\n');
    return out;
}

Result<RunResult> read(std::string_view text) {
    TG_TRY(const json::Document document, json::parse(text));
    const json::Value root = document.root();
    Reader reader;
    RunResult r;
    if (reader.text(root, "format") != kFormat) {
        return fail(ErrorCode::kInvalidArgument, "no result file of `tidegate load`");
    }
    read_totals(reader, root, r);
    read_machine(reader, reader.member(root, "machine", json::Kind::kObject), r.machine);
    r.plan.stages.clear();
    read_plan(reader, reader.member(root, "settings", json::Kind::kObject), r.plan);
    reader.each(root, "slo", [&](json::Value one) {
        r.slo.push_back({.text = reader.text(one, "slo"),
                         .value = reader.number(one, "value"),
                         .shown = reader.text(one, "shown"),
                         .met = reader.flag(one, "met")});
    });
    reader.each(root, "left_out", [&](json::Value one) {
        r.left_out.push_back({.name = reader.text(one, "operation"), .reason = reader.text(one, "reason")});
    });
    read_figures(reader, reader.member(root, "all", json::Kind::kObject), r.all);
    reader.each(root, "operations", [&](json::Value one) { read_figures(reader, one, r.operations.emplace_back()); });
    read_latencies(reader, root, "generator_late", r.late);
    r.interval_s = reader.number(root, "interval_s");
    reader.each(root, "series", [&](json::Value one) {
        r.series.push_back({.good = reader.count(one, "good"),
                            .errors = reader.count(one, "errors"),
                            .p50 = reader.number(one, "p50_ms") * 1e6,
                            .p95 = reader.number(one, "p95_ms") * 1e6,
                            .p99 = reader.number(one, "p99_ms") * 1e6,
                            .max = reader.number(one, "max_ms") * 1e6,
                            .steps = {}});
    });
    if (reader.good && root.find("server_metrics")) {
        r.server_view = read_server(reader, reader.member(root, "server_metrics", json::Kind::kObject));
    } else {
        r.server_view_absent = reader.text(root, "server_metrics_absent");
    }
    if (!reader.good) return fail(ErrorCode::kInvalidArgument, "a result file that is not whole");
    return r;
}

}  // namespace tidegate::load
