#include "services/compliance/drift/store.h"

#include <array>
#include <utility>

#include "drift/bytes.h"
#include "store/migrations.h"

namespace tidegate::compliance {
namespace {

using drift::Alert;
using drift::AlertChange;
using drift::ByteReader;
using drift::ByteWriter;
using drift::Evidence;

constexpr std::array<store::Migration, 1> kMigrations{{{1, "drift", R"(
CREATE TABLE drift_position (id INTEGER PRIMARY KEY CHECK (id = 1), leaf INTEGER NOT NULL) STRICT;
INSERT INTO drift_position (id, leaf) VALUES (1, 0);
CREATE TABLE drift_streams (
    key BLOB PRIMARY KEY,
    reference BLOB NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE TABLE drift_alerts (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    tenant TEXT NOT NULL,
    opened INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE drift_posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    tenant TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
)"}}};

store::Blob blob_of(std::string_view bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

std::string_view text_of(store::Blob blob) {
    return {reinterpret_cast<const char*>(blob.data()), blob.size()};
}

std::string pack(const drift::StreamKey& key) {
    std::string out;
    ByteWriter writer(out);
    for (const std::string* part : {&key.service, &key.operation, &key.model, &key.tenant, &key.segment}) {
        writer.put_text(*part);
    }
    return out;
}

drift::StreamKey unpack_key(ByteReader& reader) {
    drift::StreamKey key;
    for (std::string* const part : {&key.service, &key.operation, &key.model, &key.tenant, &key.segment}) {
        *part = reader.get_text();
    }
    return key;
}

void put(ByteWriter& writer, const Evidence& evidence) {
    writer.put_text(evidence.test);
    for (const double number :
         {evidence.statistic, evidence.effect, evidence.p, evidence.threshold, evidence.contribution}) {
        writer.put(number);
    }
    writer.put(static_cast<std::uint64_t>(evidence.n));
    writer.put(static_cast<std::uint64_t>(evidence.m));
    writer.put(static_cast<std::uint64_t>(evidence.moved.size()));
    for (const drift::MovedCell& cell : evidence.moved) {
        writer.put_text(cell.cell);
        for (const double number : {cell.before, cell.now, cell.contribution}) writer.put(number);
    }
}

Evidence get_evidence(ByteReader& reader) {
    Evidence evidence;
    evidence.test = reader.get_text();
    for (double* const number :
         {&evidence.statistic, &evidence.effect, &evidence.p, &evidence.threshold, &evidence.contribution}) {
        *number = reader.get<double>();
    }
    evidence.n = reader.get<std::uint64_t>();
    evidence.m = reader.get<std::uint64_t>();
    evidence.moved.resize(reader.get_count(sizeof(double)));
    for (drift::MovedCell& cell : evidence.moved) {
        cell.cell = reader.get_text();
        for (double* const number : {&cell.before, &cell.now, &cell.contribution}) *number = reader.get<double>();
    }
    return evidence;
}

std::string pack(const Alert& alert) {
    std::string out;
    ByteWriter writer(out);
    for (const std::string* part : {&alert.key.service, &alert.key.model, &alert.key.tenant, &alert.key.feature,
                                    &alert.key.operation, &alert.key.segment}) {
        writer.put_text(*part);
    }
    writer.put(static_cast<std::uint8_t>(alert.state));
    for (const UnixMillis time : {alert.opened, alert.last_seen, alert.suppressed_until}) writer.put(time);
    writer.put(alert.seen);
    put(writer, alert.latest);
    put(writer, alert.worst);
    writer.put(static_cast<std::uint64_t>(alert.history.size()));
    for (const AlertChange& change : alert.history) {
        writer.put(change.at);
        writer.put(static_cast<std::uint8_t>(change.from));
        writer.put(static_cast<std::uint8_t>(change.to));
        writer.put_text(change.actor);
        writer.put_text(change.note);
    }
    return out;
}

drift::AlertState get_alert_state(ByteReader& reader) {
    return static_cast<drift::AlertState>(reader.get<std::uint8_t>() % 4);
}

Result<Alert> unpack_alert(std::uint64_t id, std::string_view bytes) {
    ByteReader reader(bytes);
    Alert alert;
    alert.id = id;
    for (std::string* const part : {&alert.key.service, &alert.key.model, &alert.key.tenant, &alert.key.feature,
                                    &alert.key.operation, &alert.key.segment}) {
        *part = reader.get_text();
    }
    alert.state = get_alert_state(reader);
    for (UnixMillis* const time : {&alert.opened, &alert.last_seen, &alert.suppressed_until}) {
        *time = reader.get<UnixMillis>();
    }
    alert.seen = reader.get<std::uint64_t>();
    alert.latest = get_evidence(reader);
    alert.worst = get_evidence(reader);
    alert.history.resize(reader.get_count(sizeof(UnixMillis)));
    for (AlertChange& change : alert.history) {
        change.at = reader.get<UnixMillis>();
        change.from = get_alert_state(reader);
        change.to = get_alert_state(reader);
        change.actor = reader.get_text();
        change.note = reader.get_text();
    }
    if (!reader.at_end()) return fail(ErrorCode::kDataLoss, "a stored drift alert is damaged");
    return alert;
}

}  // namespace

Result<DriftStore> DriftStore::open(const std::string& path, const Clock& clock) {
    store::OpenOptions options;
    options.path = path;
    TG_TRY(store::Database database, store::Database::open(options));
    TG_CHECK(store::migrate(database, "drift", kMigrations, clock));
    return DriftStore(std::move(database));
}

Result<std::uint64_t> DriftStore::position() {
    TG_TRY(const std::int64_t leaf, database_.integer("SELECT leaf FROM drift_position WHERE id = 1"));
    return static_cast<std::uint64_t>(leaf);
}

Result<void> DriftStore::each_stream(const std::function<Result<void>(SavedStream)>& visit) {
    TG_TRY(store::Statement rows, database_.prepare("SELECT key, reference, state FROM drift_streams ORDER BY key"));
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return {};
        ByteReader reader(text_of(rows.blob(0)));
        SavedStream stream{unpack_key(reader), std::string(text_of(rows.blob(1))), std::string(text_of(rows.blob(2)))};
        if (!reader.at_end()) return fail(ErrorCode::kDataLoss, "the name of a stored drift stream is damaged");
        TG_CHECK(visit(std::move(stream)));
    }
}

Result<void> DriftStore::each_alert(std::size_t limit, const std::function<Result<void>(Alert)>& visit) {
    TG_TRY(store::Statement rows, database_.prepare("SELECT id, body FROM (SELECT id, body FROM drift_alerts "
                                                    "ORDER BY state = 'resolved', id DESC LIMIT ?) ORDER BY id"));
    rows.bind(1, static_cast<std::int64_t>(limit));
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return {};
        TG_TRY(Alert alert, unpack_alert(static_cast<std::uint64_t>(rows.integer(0)), text_of(rows.blob(1))));
        TG_CHECK(visit(std::move(alert)));
    }
}

Result<std::vector<Notice>> DriftStore::waiting_posts() {
    TG_TRY(store::Statement rows, database_.prepare("SELECT id, event, tenant, body FROM drift_posts ORDER BY id"));
    std::vector<Notice> posts;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return posts;
        posts.push_back({static_cast<std::uint64_t>(rows.integer(0)), std::string(rows.text(1)),
                         std::string(rows.text(2)), std::string(rows.text(3))});
    }
}

Result<void> DriftStore::save(SaveBatch& batch) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(store::Statement position, database_.prepare("UPDATE drift_position SET leaf = ? WHERE id = 1"));
    TG_CHECK(position.bind(1, static_cast<std::int64_t>(batch.position)).run());
    TG_CHECK(save_streams(batch));
    TG_CHECK(save_alerts(batch));
    TG_CHECK(save_posts(batch));
    return transaction.commit();
}

Result<void> DriftStore::save_streams(const SaveBatch& batch) {
    TG_TRY(store::Statement drop, database_.prepare("DELETE FROM drift_streams WHERE key = ?"));
    for (const drift::StreamKey& key : batch.gone) {
        const std::string name = pack(key);
        TG_CHECK(drop.bind(1, blob_of(name)).run());
    }
    TG_TRY(store::Statement whole,
           database_.prepare("INSERT INTO drift_streams (key, reference, state) VALUES (?, ?, ?) "
                             "ON CONFLICT (key) DO UPDATE SET reference = excluded.reference, state = excluded.state"));
    TG_TRY(store::Statement state, database_.prepare("UPDATE drift_streams SET state = ? WHERE key = ?"));
    for (const SavedStream& stream : batch.streams) {
        const std::string name = pack(stream.key);
        if (stream.reference.empty()) {
            TG_CHECK(state.bind(1, blob_of(stream.state)).bind(2, blob_of(name)).run());
        } else {
            TG_CHECK(
                whole.bind(1, blob_of(name)).bind(2, blob_of(stream.reference)).bind(3, blob_of(stream.state)).run());
        }
    }
    return {};
}

Result<void> DriftStore::save_alerts(const SaveBatch& batch) {
    TG_TRY(store::Statement put, database_.prepare("INSERT OR REPLACE INTO drift_alerts "
                                                   "(id, state, tenant, opened, body) VALUES (?, ?, ?, ?, ?)"));
    for (const Alert& alert : batch.alerts) {
        const std::string body = pack(alert);
        put.bind(1, static_cast<std::int64_t>(alert.id)).bind(2, to_string(alert.state));
        put.bind(3, std::string_view(alert.key.tenant)).bind(4, static_cast<std::int64_t>(alert.opened));
        TG_CHECK(put.bind(5, blob_of(body)).run());
    }
    return {};
}

Result<void> DriftStore::save_posts(SaveBatch& batch) {
    TG_TRY(store::Statement ended, database_.prepare("DELETE FROM drift_posts WHERE id = ?"));
    for (const std::uint64_t id : batch.posts_ended) {
        TG_CHECK(ended.bind(1, static_cast<std::int64_t>(id)).run());
    }
    TG_TRY(store::Statement put, database_.prepare("INSERT INTO drift_posts (event, tenant, body) VALUES (?, ?, ?)"));
    for (Notice& post : batch.posts) {
        put.bind(1, std::string_view(post.event)).bind(2, std::string_view(post.tenant));
        TG_CHECK(put.bind(3, std::string_view(post.body)).run());
        post.id = static_cast<std::uint64_t>(database_.last_insert_rowid());
    }
    return {};
}

}  // namespace tidegate::compliance
