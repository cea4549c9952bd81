#include "services/speech/store.h"

#include <array>

#include "base/json.h"
#include "base/json_writer.h"
#include "store/migrations.h"

namespace tidegate::speech {
namespace {

constexpr std::array<store::Migration, 2> kSpeechMigrations{
    {{1, "recordings, segments and summaries",
      "CREATE TABLE speech_sessions (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, actor TEXT NOT NULL, job TEXT NOT "
      "NULL, "
      "file_name TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, state TEXT NOT NULL, created_ms INTEGER "
      "NOT NULL, finished_ms INTEGER NOT NULL, error_code TEXT NOT NULL, error TEXT NOT NULL, model_version TEXT NOT "
      "NULL, "
      "decision TEXT NOT NULL, took_s REAL NOT NULL, container TEXT NOT NULL, codec TEXT NOT NULL, sample_rate INTEGER "
      "NOT "
      "NULL, channels INTEGER NOT NULL, duration_s REAL NOT NULL, speech_s REAL NOT NULL, separate INTEGER NOT NULL, "
      "correlation REAL NOT NULL, cpu_s REAL NOT NULL) WITHOUT ROWID;"
      "CREATE INDEX speech_sessions_of_tenant ON speech_sessions (tenant, id);"
      "CREATE TABLE speech_segments (session TEXT NOT NULL REFERENCES speech_sessions (id) ON DELETE CASCADE, number "
      "INTEGER NOT NULL, speaker TEXT NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL, text TEXT NOT NULL, "
      "confidence "
      "REAL NOT NULL, words TEXT NOT NULL, PRIMARY KEY (session, number)) WITHOUT ROWID;"
      "CREATE TABLE speech_summaries (session TEXT PRIMARY KEY REFERENCES speech_sessions (id) ON DELETE CASCADE, body "
      "TEXT "
      "NOT NULL, made_ms INTEGER NOT NULL) WITHOUT ROWID;"},
     {2, "which engine heard it, the record planned, what waits of each tenant",
      "ALTER TABLE speech_sessions ADD COLUMN engine TEXT NOT NULL DEFAULT 'embedded';"
      "ALTER TABLE speech_sessions ADD COLUMN model TEXT NOT NULL DEFAULT 'pocketsphinx-en-us';"
      "ALTER TABLE speech_sessions ADD COLUMN fallback TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE speech_sessions ADD COLUMN task TEXT NOT NULL DEFAULT 'transcribe';"
      "ALTER TABLE speech_sessions ADD COLUMN language TEXT NOT NULL DEFAULT 'english';"
      "ALTER TABLE speech_sessions ADD COLUMN planned TEXT NOT NULL DEFAULT '';"
      "CREATE INDEX speech_sessions_waiting ON speech_sessions (tenant, bytes) WHERE state = 'accepted';"}}};

// A confidence that no engine told, where the table wants a number.
constexpr double kNoConfidence = -1;

constexpr std::string_view kColumns =
    "id, tenant, actor, job, file_name, bytes, sha256, state, created_ms, finished_ms, error_code, error, "
    "model_version, "
    "decision, took_s, container, codec, sample_rate, channels, duration_s, speech_s, separate, correlation, cpu_s, "
    "engine, model, fallback, task, language, planned";

/// With the oldest time as third value.
constexpr std::string_view kKept = "(state = 'accepted' OR finished_ms >= ?3)";

Session read_row(const store::Statement& row) {
    Session out;
    out.id = row.text(0);
    out.tenant = row.text(1);
    out.actor = row.text(2);
    out.job = row.text(3);
    out.file_name = row.text(4);
    out.bytes = static_cast<std::uint64_t>(row.integer(5));
    out.sha256 = row.text(6);
    out.state = row.text(7);
    out.created = row.integer(8);
    out.finished = row.integer(9);
    out.error_code = row.text(10);
    out.error = row.text(11);
    out.model_version = row.text(12);
    out.decision = row.text(13);
    out.took_s = row.real(14);
    Transcript& t = out.transcript;
    t.info.container = row.text(15);
    t.info.codec = row.text(16);
    t.info.sample_rate = static_cast<unsigned>(row.integer(17));
    t.info.channels = static_cast<unsigned>(row.integer(18));
    t.duration_s = row.real(19);
    t.speech_s = row.real(20);
    t.separate = row.integer(21) != 0;
    t.correlation = row.real(22);
    t.cpu_s = row.real(23);
    out.engine = row.text(24);
    out.model = row.text(25);
    out.fallback = row.text(26);
    out.task = row.text(27);
    t.language = row.text(28);
    out.planned = row.text(29);
    return out;
}

Result<void> put_segments(store::Database& database, const Session& session) {
    TG_TRY(store::Statement put,
           database.prepare("INSERT INTO speech_segments (session, number, speaker, start_s, end_s, text, confidence, "
                            "words) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    std::int64_t number = 0;
    for (const Segment& one : session.transcript.segments) {
        const std::string words = words_to_json(one.words);
        put.bind(1, std::string_view(session.id)).bind(2, number++).bind(3, std::string_view(one.speaker));
        put.bind(4, one.start).bind(5, one.end).bind(6, std::string_view(one.text));
        put.bind(7, one.confidence.value_or(kNoConfidence));
        TG_CHECK(put.bind(8, std::string_view(words)).run());
    }
    return {};
}

}  // namespace

std::string words_to_json(const std::vector<Word>& words) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    for (const Word& one : words) {
        writer.begin_object().field("word", one.text).field("start", one.start).field("end", one.end);
        writer.field("confidence", one.confidence).end_object();
    }
    writer.end_array();
    return out;
}

Result<std::vector<Word>> words_from_json(std::string_view json) {
    TG_TRY(const json::Document document, json::parse(json));
    std::vector<Word> out;
    bool sound = document.root().kind() == json::Kind::kArray;
    if (sound) {
        document.root().each([&](json::Value one) {
            const bool is_object = one.kind() == json::Kind::kObject;
            const auto word = is_object ? one.find("word") : std::nullopt;
            const auto start = is_object ? one.find("start") : std::nullopt;
            const auto end = is_object ? one.find("end") : std::nullopt;
            const auto confidence = is_object ? one.find("confidence") : std::nullopt;
            if (!word || !start || !end || !confidence || word->kind() != json::Kind::kString || !start->is_number() ||
                !end->is_number() || (!confidence->is_number() && confidence->kind() != json::Kind::kNull)) {
                sound = false;
                return;
            }
            Word read{.text = std::string(word->as_string()), .start = start->as_double(), .end = end->as_double()};
            if (confidence->is_number()) read.confidence = confidence->as_double();
            out.push_back(std::move(read));
        });
    }
    if (!sound) return fail(ErrorCode::kDataLoss, "The stored words of a segment are damaged.");
    return out;
}

Result<std::unique_ptr<SpeechStore>> SpeechStore::open(const std::string& path, const Clock& clock, Duration keep) {
    TG_TRY(store::Database database, store::Database::open({.path = path, .vfs = {}}));
    TG_CHECK(store::migrate(database, "speech", kSpeechMigrations, clock));
    return std::unique_ptr<SpeechStore>(new SpeechStore(std::move(database), clock, keep));
}

Result<void> SpeechStore::add(const Session& session) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put,
           database_.prepare(
               "INSERT INTO speech_sessions (" + std::string(kColumns) +
               ") VALUES (?, ?, ?, ?, ?, ?, ?, 'accepted', ?, 0, '', '', '', '', 0, '', '', 0, 0, 0, 0, 0, 0, 0, '', "
               "'', '', '', '', '')"));
    put.bind(1, std::string_view(session.id)).bind(2, std::string_view(session.tenant));
    put.bind(3, std::string_view(session.actor)).bind(4, std::string_view(session.job));
    put.bind(5, std::string_view(session.file_name)).bind(6, static_cast<std::int64_t>(session.bytes));
    return put.bind(7, std::string_view(session.sha256)).bind(8, session.created).run();
}

Result<void> SpeechStore::set_job(std::string_view id, std::string_view job) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put, database_.prepare("UPDATE speech_sessions SET job = ? WHERE id = ?"));
    return put.bind(1, job).bind(2, id).run();
}

Result<bool> SpeechStore::complete(const Session& session) {
    const Lock lock(mutex_);
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(store::Statement put,
           database_.prepare(
               "UPDATE speech_sessions SET state = 'completed', finished_ms = ?, model_version = ?, took_s = ?, "
               "container = ?, codec = ?, sample_rate = ?, channels = ?, duration_s = ?, speech_s = ?, separate "
               "= ?, correlation = ?, cpu_s = ?, engine = ?, model = ?, fallback = ?, task = ?, language = ? "
               "WHERE id = ? AND state = 'accepted'"));
    const Transcript& t = session.transcript;
    put.bind(1, session.finished).bind(2, std::string_view(session.model_version)).bind(3, session.took_s);
    put.bind(4, std::string_view(t.info.container)).bind(5, std::string_view(t.info.codec));
    put.bind(6, std::int64_t{t.info.sample_rate}).bind(7, std::int64_t{t.info.channels}).bind(8, t.duration_s);
    put.bind(9, t.speech_s).bind(10, std::int64_t{t.separate ? 1 : 0}).bind(11, t.correlation).bind(12, t.cpu_s);
    put.bind(13, std::string_view(session.engine)).bind(14, std::string_view(session.model));
    put.bind(15, std::string_view(session.fallback)).bind(16, std::string_view(session.task));
    put.bind(17, std::string_view(t.language));
    TG_CHECK(put.bind(18, std::string_view(session.id)).run());
    if (database_.changes() == 0) return false;
    TG_CHECK(put_segments(database_, session));
    TG_CHECK(transaction.commit());
    return true;
}

Result<bool> SpeechStore::fail_session(std::string_view id, const Error& error, UnixMillis now) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put,
           database_.prepare("UPDATE speech_sessions SET state = 'failed', error_code = ?, error = ?, "
                             "finished_ms = ? WHERE id = ? AND state = 'accepted'"));
    put.bind(1, to_string(error.code)).bind(2, std::string_view(error.message));
    TG_CHECK(put.bind(3, now).bind(4, id).run());
    return database_.changes() > 0;
}

Result<bool> SpeechStore::cancel_session(std::string_view id, UnixMillis now) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put,
           database_.prepare("UPDATE speech_sessions SET state = 'cancelled', error_code = 'cancelled', error = 'The "
                             "job was cancelled.', finished_ms = ? WHERE id = ? AND state = 'accepted'"));
    TG_CHECK(put.bind(1, now).bind(2, id).run());
    return database_.changes() > 0;
}

Result<std::string> SpeechStore::plan_decision(std::string_view id, std::string_view fresh) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put,
           database_.prepare("UPDATE speech_sessions SET planned = ? WHERE id = ? AND planned = ''"));
    TG_CHECK(put.bind(1, fresh).bind(2, id).run());
    if (database_.changes() > 0) return std::string(fresh);
    TG_TRY(store::Statement rows, database_.prepare("SELECT planned FROM speech_sessions WHERE id = ?"));
    TG_TRY(const bool found, rows.bind(1, id).step());
    if (!found) return fail(ErrorCode::kNotFound, "There is no such session.");
    return std::string(rows.text(0));
}

Result<void> SpeechStore::set_decision(std::string_view id, std::string_view decision) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put,
           database_.prepare("UPDATE speech_sessions SET decision = ? WHERE id = ? AND decision = ''"));
    return put.bind(1, decision).bind(2, id).run();
}

Result<void> SpeechStore::read_segments(Session& session) {
    TG_TRY(store::Statement rows, database_.prepare("SELECT speaker, start_s, end_s, text, confidence, words FROM "
                                                    "speech_segments WHERE session = ? ORDER BY number"));
    rows.bind(1, std::string_view(session.id));
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return {};
        TG_TRY(std::vector<Word> words, words_from_json(rows.text(5)));
        const double confidence = rows.real(4);
        session.transcript.segments.push_back({.speaker = std::string(rows.text(0)),
                                               .start = rows.real(1),
                                               .end = rows.real(2),
                                               .text = std::string(rows.text(3)),
                                               .confidence = confidence < 0 ? std::nullopt : std::optional(confidence),
                                               .words = std::move(words)});
    }
}

Result<Session> SpeechStore::find(std::string_view id, std::string_view tenant) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT " + std::string(kColumns) +
                             " FROM speech_sessions WHERE id = ?1 AND tenant = ?2 AND " + std::string(kKept)));
    TG_TRY(const bool found, rows.bind(1, id).bind(2, tenant).bind(3, oldest()).step());
    if (!found) return fail(ErrorCode::kNotFound, "There is no such session.");
    Session out = read_row(rows);
    TG_CHECK(read_segments(out));
    return out;
}

Result<std::vector<Session>> SpeechStore::list(std::string_view tenant, std::string_view before, std::size_t limit) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT " + std::string(kColumns) +
                             " FROM speech_sessions WHERE tenant = ?1 AND (?2 = '' OR id < ?2) AND " +
                             std::string(kKept) + " ORDER BY id DESC LIMIT ?4"));
    rows.bind(1, tenant).bind(2, before).bind(3, oldest()).bind(4, static_cast<std::int64_t>(limit));
    std::vector<Session> out;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return out;
        out.push_back(read_row(rows));
    }
}

Result<bool> SpeechStore::remove(std::string_view id, std::string_view tenant) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement gone, database_.prepare("DELETE FROM speech_sessions WHERE id = ? AND tenant = ?"));
    TG_CHECK(gone.bind(1, id).bind(2, tenant).run());
    return database_.changes() > 0;
}

Result<void> SpeechStore::save_summary(std::string_view session, std::string_view json, UnixMillis now) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement put,
           database_.prepare(
               "INSERT INTO speech_summaries (session, body, made_ms) VALUES (?, ?, ?) ON CONFLICT (session) DO "
               "UPDATE SET body = excluded.body, made_ms = excluded.made_ms"));
    return put.bind(1, session).bind(2, json).bind(3, now).run();
}

Result<std::optional<std::string>> SpeechStore::summary(std::string_view session) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows, database_.prepare("SELECT body FROM speech_summaries WHERE session = ?"));
    TG_TRY(const bool found, rows.bind(1, session).step());
    if (!found) return std::nullopt;
    return std::string(rows.text(0));
}

Result<void> SpeechStore::remove_old() {
    const Lock lock(mutex_);
    TG_TRY(store::Statement gone,
           database_.prepare("DELETE FROM speech_sessions WHERE state <> 'accepted' AND finished_ms < ?"));
    return gone.bind(1, oldest()).run();
}

Result<std::vector<SpeechStore::Unfinished>> SpeechStore::accepted_before(UnixMillis then) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT id, tenant, job, created_ms FROM speech_sessions WHERE state = 'accepted' AND "
                             "created_ms < ? ORDER BY id"));
    rows.bind(1, then);
    const UnixMillis its_oldest = oldest();
    std::vector<Unfinished> out;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return out;
        out.push_back({.id = std::string(rows.text(0)),
                       .tenant = std::string(rows.text(1)),
                       .job = std::string(rows.text(2)),
                       .created = rows.integer(3),
                       .is_old = rows.integer(3) < its_oldest});
    }
}

Result<SpeechStore::RecordOf> SpeechStore::record_of(std::string_view id) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows, database_.prepare("SELECT planned, decision FROM speech_sessions WHERE id = ?"));
    TG_TRY(const bool found, rows.bind(1, id).step());
    if (!found) return RecordOf{};
    return RecordOf{.planned = std::string(rows.text(0)), .decision = std::string(rows.text(1))};
}

Result<std::uint64_t> SpeechStore::waiting_bytes(std::string_view tenant) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT coalesce(sum(bytes), 0) FROM speech_sessions WHERE state = 'accepted' AND tenant "
                             "= ?"));
    TG_TRY(const bool found, rows.bind(1, tenant).step());
    return found ? static_cast<std::uint64_t>(rows.integer(0)) : 0;
}

Result<std::uint64_t> SpeechStore::sessions() {
    const Lock lock(mutex_);
    TG_TRY(const std::int64_t count, database_.integer("SELECT count(*) FROM speech_sessions"));
    return static_cast<std::uint64_t>(count);
}

}  // namespace tidegate::speech
