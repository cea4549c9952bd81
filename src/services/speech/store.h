// SpeechStore: recordings that were asked about, what was said in them and what it came to, in the server's database.
//
// Guarantee   Each call is all or nothing, and durable when it returns. A session is completed once: the segments of the first transcript
//             stay, whatever a second run of its job comes to.
// Threads     Any: the calls take turns.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "services/speech/recognise/transcribe.h"
#include "services/speech/text/summary.h"
#include "store/sqlite.h"

namespace tidegate::speech {

/// One recording.
struct Session {
    std::string id;  // UUIDv7.
    std::string tenant;
    std::string actor;
    std::string job;
    std::string file_name;
    std::uint64_t bytes = 0;
    std::string sha256;  // In hex.
    std::string state;   // `accepted`, `completed`, `failed`, `cancelled`.
    UnixMillis created = 0;
    UnixMillis finished = 0;  // 0: not yet.
    std::string error_code;   // Of a failed or cancelled one.
    std::string error;
    std::string engine;  // Of a completed one, with what follows: `embedded`, `upstream`.
    std::string model;
    std::string model_version;
    std::string fallback;   // Why the embedded engine stood in; empty: it did not.
    std::string task;       // `transcribe`, `translate`.
    std::string planned;    // The id that its first answer's record has or will have; empty: nobody has asked yet.
    std::string decision;   // The record of the first answer that was given from it; empty: none yet.
    double took_s = 0;      // Of the attempt that completed it, waiting for a decoder included.
    Transcript transcript;  // Of a completed one.
};

class SpeechStore {
  public:
    /// What has been over for longer than `keep` is not found any more, also before it is removed.
    static Result<std::unique_ptr<SpeechStore>> open(const std::string& path, const Clock& clock,
                                                     Duration keep = std::chrono::hours(24 * 3650));

    Result<void> add(const Session& session);
    Result<void> set_job(std::string_view id, std::string_view job);
    /// False: it is over already, and stays as it is.
    Result<bool> complete(const Session& session);
    Result<bool> fail_session(std::string_view id, const Error& error, UnixMillis now);
    Result<bool> cancel_session(std::string_view id, UnixMillis now);
    /// The id under which its first answer is recorded: `fresh`, unless one was planned before.
    Result<std::string> plan_decision(std::string_view id, std::string_view fresh);
    Result<void> set_decision(std::string_view id, std::string_view decision);
    /// kNotFound: there is none of this tenant's.
    Result<Session> find(std::string_view id, std::string_view tenant);
    /// The tenant's, newest first, without segments; those before `before` where it is not empty.
    Result<std::vector<Session>> list(std::string_view tenant, std::string_view before, std::size_t limit);
    /// With its segments and its summary. False: there was none.
    Result<bool> remove(std::string_view id, std::string_view tenant);

    /// As JSON, as the answers hold it; the last one of a session counts.
    Result<void> save_summary(std::string_view session, std::string_view json, UnixMillis now);
    Result<std::optional<std::string>> summary(std::string_view session);
    /// Removes what has been over for longer than kept.
    Result<void> remove_old();
    struct Unfinished {
        std::string id, tenant, job;  // No job: none was noted.
        UnixMillis created = 0;
        bool is_old = false;  // Accepted longer ago than kept.
    };
    /// What was accepted before then and is not over: its job may wait still.
    Result<std::vector<Unfinished>> accepted_before(UnixMillis then);
    struct RecordOf {
        std::string planned, decision;  // As in Session.
    };
    /// Empty: none, or no such session.
    Result<RecordOf> record_of(std::string_view id);
    /// Bytes of the tenant's recordings whose work is not over.
    Result<std::uint64_t> waiting_bytes(std::string_view tenant);
    Result<std::uint64_t> sessions();

  private:
    SpeechStore(store::Database database, const Clock& clock, Duration keep)
        : clock_(clock), keep_(keep), database_(std::move(database)) {}
    UnixMillis oldest() const {
        return clock_.unix_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(keep_).count();
    }
    Result<void> read_segments(Session& session) TG_REQUIRES(mutex_);

    const Clock& clock_;
    const Duration keep_;
    Mutex mutex_;
    store::Database database_ TG_GUARDED_BY(mutex_);
};

/// `[{"word","start","end","confidence"}]`
std::string words_to_json(const std::vector<Word>& words);
Result<std::vector<Word>> words_from_json(std::string_view json);

}  // namespace tidegate::speech
