#include "alerts/alert_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "base/json_writer.h"
#include "store/migrations.h"

namespace tidegate::alerts {
namespace {

constexpr std::array<store::Migration, 1> kMigrations{{{1, "alerts", R"(
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    summary TEXT NOT NULL,
    labels TEXT NOT NULL,
    tenant TEXT,
    state INTEGER NOT NULL,
    value REAL NOT NULL,
    worst REAL NOT NULL,
    threshold REAL NOT NULL,
    comparison TEXT NOT NULL,
    since INTEGER NOT NULL,
    fired INTEGER NOT NULL,
    resolved INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    ack_by TEXT,
    ack_at INTEGER,
    ack_note TEXT,
    told INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_firing ON alerts (id) WHERE state = 1;
CREATE INDEX alerts_resolved ON alerts (resolved) WHERE state = 2;
CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    labels TEXT NOT NULL,
    begins INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;
)"}}};

constexpr std::string_view kColumns =
    "SELECT id, rule, severity, summary, labels, state, value, worst, threshold, comparison, since, fired, resolved, "
    "ended_by, "
    "ack_by, ack_at, ack_note, told FROM alerts ";

Alert alert_of(const store::Statement& row) {
    Alert alert;
    alert.id = row.text(0);
    alert.rule = row.text(1);
    alert.severity = row.text(2);
    alert.summary = row.text(3);
    alert.labels = labels_of(row.text(4));
    alert.state = row.integer(5) == 1 ? AlertState::kFiring : AlertState::kResolved;
    alert.value = row.real(6);
    alert.worst = row.real(7);
    alert.threshold = row.real(8);
    alert.comparison = row.text(9);
    alert.since = row.integer(10);
    alert.fired = row.integer(11);
    alert.resolved = row.integer(12);
    alert.end = row.text(13);
    if (!row.is_null(14)) {
        alert.acknowledged = Acknowledgement{std::string(row.text(14)), row.integer(15), std::string(row.text(16))};
    }
    alert.told_firing = (row.integer(17) & 1) != 0;
    alert.told_resolved = (row.integer(17) & 2) != 0;
    return alert;
}

}  // namespace

std::string to_json(const Labels& labels) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    for (const auto& [name, value] : labels) writer.field(name, value);
    writer.end_object();
    return out;
}

Labels labels_of(std::string_view text) {
    Labels labels;
    const auto document = json::parse(text);
    if (!document || document->root().kind() != json::Kind::kObject) return labels;
    document->root().each_member([&labels](std::string_view name, json::Value value) {
        if (value.kind() == json::Kind::kString) labels.emplace(name, value.as_string());
    });
    return labels;
}

Result<AlertStore> AlertStore::open(const std::string& path, const Clock& clock) {
    store::OpenOptions options;
    options.path = path;
    TG_TRY(store::Database database, store::Database::open(options));
    TG_CHECK(store::migrate(database, "alerts", kMigrations, clock));
    return AlertStore(std::move(database));
}

Result<void> AlertStore::save(const Alert& alert) {
    TG_TRY(store::Statement put,
           database_.prepare(
               "INSERT OR REPLACE INTO alerts (id, rule, severity, summary, labels, tenant, state, value, worst, "
               "threshold, comparison, since, fired, resolved, ended_by, ack_by, ack_at, ack_note, told) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    const std::string labels = to_json(alert.labels);
    put.bind(1, std::string_view(alert.id))
        .bind(2, std::string_view(alert.rule))
        .bind(3, std::string_view(alert.severity));
    put.bind(4, std::string_view(alert.summary)).bind(5, std::string_view(labels));
    const auto tenant = alert.labels.find("tenant");
    tenant == alert.labels.end() ? put.bind_null(6) : put.bind(6, std::string_view(tenant->second));
    put.bind(7, std::int64_t{alert.state == AlertState::kFiring ? 1 : 2}).bind(8, alert.value).bind(9, alert.worst);
    put.bind(10, alert.threshold).bind(11, std::string_view(alert.comparison)).bind(12, alert.since);
    put.bind(13, alert.fired).bind(14, alert.resolved).bind(15, std::string_view(alert.end));
    if (alert.acknowledged) {
        put.bind(16, std::string_view(alert.acknowledged->by)).bind(17, alert.acknowledged->at);
        put.bind(18, std::string_view(alert.acknowledged->note));
    } else {
        put.bind_null(16).bind_null(17).bind_null(18);
    }
    return put.bind(19, std::int64_t{(alert.told_firing ? 1 : 0) + (alert.told_resolved ? 2 : 0)}).run();
}

Result<std::vector<Alert>> AlertStore::read(store::Statement& rows) {
    std::vector<Alert> alerts;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return alerts;
        alerts.push_back(alert_of(rows));
    }
}

Result<std::vector<Alert>> AlertStore::firing() {
    TG_TRY(store::Statement rows, database_.prepare(std::string(kColumns) + "WHERE state = 1 ORDER BY id"));
    return read(rows);
}

Result<std::vector<Alert>> AlertStore::untold() {
    TG_TRY(store::Statement rows,
           database_.prepare(std::string(kColumns) + "WHERE state = 2 AND told = 1 ORDER BY id"));
    return read(rows);
}

Result<std::vector<Alert>> AlertStore::history(const HistoryFilter& filter) {
    std::string where = "WHERE id < ?1";
    if (filter.tenant) where += " AND tenant = ?2";
    if (!filter.rule.empty()) where += " AND rule = ?3";
    TG_TRY(store::Statement rows, database_.prepare(std::string(kColumns) + where + " ORDER BY id DESC LIMIT ?4"));
    // After every id there is: they begin with a digit of hex.
    rows.bind(1, filter.before.empty() ? std::string_view("z") : std::string_view(filter.before));
    if (filter.tenant) rows.bind(2, std::string_view(*filter.tenant));
    if (!filter.rule.empty()) rows.bind(3, std::string_view(filter.rule));
    rows.bind(4, static_cast<std::int64_t>(filter.limit));
    return read(rows);
}

Result<void> AlertStore::forget(UnixMillis before, std::uint64_t count_max) {
    TG_TRY(store::Statement old, database_.prepare("DELETE FROM alerts WHERE state = 2 AND resolved < ?"));
    TG_CHECK(old.bind(1, before).run());
    TG_TRY(store::Statement many,
           database_.prepare("DELETE FROM alerts WHERE state = 2 AND id IN (SELECT id FROM alerts "
                             "WHERE state = 2 ORDER BY resolved DESC LIMIT -1 OFFSET ?)"));
    TG_CHECK(many.bind(1, static_cast<std::int64_t>(count_max)).run());
    TG_TRY(store::Statement over, database_.prepare("DELETE FROM silences WHERE ends < ?"));
    return over.bind(1, before).run();
}

Result<void> AlertStore::save(const Silence& silence) {
    TG_TRY(store::Statement put,
           database_.prepare("INSERT OR REPLACE INTO silences (id, rule, labels, begins, ends, made_by, "
                             "note) VALUES (?, ?, ?, ?, ?, ?, ?)"));
    const std::string labels = to_json(silence.labels);
    put.bind(1, std::string_view(silence.id)).bind(2, std::string_view(silence.rule)).bind(3, std::string_view(labels));
    put.bind(4, silence.from).bind(5, silence.until).bind(6, std::string_view(silence.by));
    return put.bind(7, std::string_view(silence.note)).run();
}

Result<void> AlertStore::remove_silence(std::string_view id) {
    TG_TRY(store::Statement gone, database_.prepare("DELETE FROM silences WHERE id = ?"));
    TG_CHECK(gone.bind(1, id).run());
    if (database_.changes() == 0) return fail(ErrorCode::kNotFound, "There is no such silence.");
    return {};
}

Result<std::vector<Silence>> AlertStore::silences(UnixMillis now) {
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT id, rule, labels, begins, ends, made_by, note FROM silences "
                             "WHERE ends > ? ORDER BY id"));
    rows.bind(1, now);
    std::vector<Silence> silences;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return silences;
        silences.push_back({std::string(rows.text(0)), std::string(rows.text(1)), labels_of(rows.text(2)),
                            rows.integer(3), rows.integer(4), std::string(rows.text(5)), std::string(rows.text(6))});
    }
}

}  // namespace tidegate::alerts
