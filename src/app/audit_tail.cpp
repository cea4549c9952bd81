// `tidegate audit tail`, `export`, `key`: records as text, and the key of the checkpoints.
//
// Position    They read the log alone, without the server's lock: audit/keep/folder_view.h says what they see of a folder that is written.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>

#include "app/audit_place.h"
#include "app/audit_words.h"
#include "audit/keep/log_key.h"
#include "audit/segments/record.h"
#include "base/json_writer.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "pipeline/export.h"

namespace tidegate::app {
namespace {

using audit::segments::Bytes;
using audit::segments::RecordView;

constexpr std::uint64_t kTailDefault = 10;
constexpr auto kPollEvery = std::chrono::milliseconds(200);  // What a person watching takes for at once.
constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

std::string_view kind_name(audit::RecordKind kind) {
    return kind == audit::RecordKind::kEvent ? "event" : "decision";
}

void append_ndjson(std::string& out, std::uint64_t leaf, const RecordView& view) {
    JsonWriter writer(out);
    writer.begin_object().field("leaf", leaf).field("recorded", format_rfc3339(view.recorded));
    writer.field("kind", kind_name(view.kind)).key("decision");
    audit::append_json(writer, audit::segments::to_decision(view));
    writer.end_object();
    out += '\n';
}

constexpr std::string_view kCsvHead =
    "leaf,recorded,kind,id,time,request_id,tenant,actor,service,operation,status,model,model_version,band,confidence,"
    "latency_us,tokens,spend_milli,input_hash,input_size,error,output\r\n";

void append_csv(std::string& out, std::uint64_t leaf, const RecordView& view) {
    std::string confidence;
    if (view.confidence) append_json_number(confidence, *view.confidence);
    const std::string cells[] = {std::to_string(leaf),
                                 format_rfc3339(view.recorded),
                                 std::string(kind_name(view.kind)),
                                 to_string(view.id),
                                 format_rfc3339(unix_ms_of(view.id)),
                                 std::string(view.request_id),
                                 std::string(view.tenant),
                                 std::string(view.actor),
                                 std::string(view.service),
                                 std::string(view.operation),
                                 std::string(audit::to_string(view.status)),
                                 std::string(view.model),
                                 std::string(view.model_version),
                                 std::string(view.band),
                                 confidence,
                                 view.latency_stated ? std::to_string(view.latency_us) : "",
                                 view.tokens_stated ? std::to_string(view.tokens) : "",
                                 std::to_string(view.spend_milli),
                                 to_hex(view.input_hash),
                                 view.input_size_stated ? std::to_string(view.input_size) : "",
                                 std::string(view.error),
                                 std::string(view.output)};
    bool first = true;
    for (const std::string& cell : cells) {
        if (!std::exchange(first, false)) out += ',';
        pipeline::append_csv_cell(out, cell);
    }
    out += "\r\n";
}

using Append = void (*)(std::string&, std::uint64_t, const RecordView&);

Error disk_error(const char* what) {
    return {ErrorCode::kUnavailable, std::string(what) + ": " + std::strerror(errno)};
}

class Descriptor {
  public:
    explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
    ~Descriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return descriptor_; }

  private:
    const int descriptor_;
};

/// A file, or standard output, that records go to in pieces.
class Sink {
  public:
    Sink(int descriptor, Append append) : descriptor_(descriptor), append_(append) {}

    /// False: it does not take any more; failure() says why.
    bool take(std::uint64_t leaf, Bytes record) {
        const auto view = audit::segments::decode(record);
        if (!view) {
            failure_ = view.error();
            return false;
        }
        append_(text_, leaf, *view);
        ++records_;
        return text_.size() < kPiece || flush();
    }
    bool put(std::string_view text) {
        text_ += text;
        return true;
    }
    bool flush() {
        for (std::string_view left = text_; !left.empty() && !failure_;) {
            const ssize_t n = ::write(descriptor_, left.data(), left.size());
            if (n > 0) {
                left.remove_prefix(static_cast<std::size_t>(n));
            } else if (n == 0 || errno != EINTR) {
                failure_ = disk_error("the output cannot be written");
            }
        }
        text_.clear();
        return !failure_;
    }
    std::uint64_t records() const { return records_; }
    const std::optional<Error>& failure() const { return failure_; }

  private:
    static constexpr std::size_t kPiece = 256U * 1024;
    const int descriptor_;
    const Append append_;
    std::string text_;
    std::uint64_t records_ = 0;
    std::optional<Error> failure_;
};

struct Range {
    std::uint64_t from_leaf = 0;
    std::uint64_t to_leaf = kEndless;
    std::optional<UnixMillis> from, to;  // Of the decision.
};

Result<std::uint64_t> number_in(const AuditWords& words, const std::string& name, std::uint64_t otherwise) {
    const std::string text = words.one(name);
    if (text.empty()) return otherwise;
    const auto number = parse_u64(text);
    if (!number) return fail(ErrorCode::kInvalidArgument, name + " takes a number");
    return *number;
}

Result<std::optional<UnixMillis>> time_in(const AuditWords& words, const std::string& name) {
    const std::string text = words.one(name);
    if (text.empty()) return std::optional<UnixMillis>();
    const auto time = parse_rfc3339(text);
    if (!time) return fail(ErrorCode::kInvalidArgument, name + " takes a time, as 2026-01-31T00:00:00Z");
    return std::optional(*time);
}

Result<Range> range_in(const AuditWords& words) {
    Range range;
    TG_TRY(range.from_leaf, number_in(words, "--from-leaf", 0));
    TG_TRY(range.to_leaf, number_in(words, "--to-leaf", kEndless));
    TG_TRY(range.from, time_in(words, "--from"));
    TG_TRY(range.to, time_in(words, "--to"));
    if (range.from && range.to && *range.to <= *range.from) {
        return fail(ErrorCode::kInvalidArgument, "--to must be after --from");
    }
    if (range.to_leaf <= range.from_leaf) {
        return fail(ErrorCode::kInvalidArgument, "--to-leaf must be over --from-leaf");
    }
    return range;
}

/// By segments where times are given, else straight through.
Result<void> write_range(const audit::LogReader& reader, const Range& range, Sink& sink) {
    const auto visit = [&](std::uint64_t leaf, Bytes record) {
        if (leaf < range.from_leaf) return true;
        if (leaf >= range.to_leaf) return false;
        if (range.from || range.to) {
            const auto view = audit::segments::decode(record);
            const UnixMillis time = view ? unix_ms_of(view->id) : 0;
            if (view && ((range.from && time < *range.from) || (range.to && time >= *range.to))) return true;
        }
        return sink.take(leaf, record);
    };
    if (range.from || range.to) {
        TG_CHECK(reader.scan_where(
            {.from = range.from, .to = range.to, .service = {}, .tenant = {}, .model = {}, .status = {}}, visit));
    } else {
        TG_CHECK(reader.scan(std::max(range.from_leaf, reader.first_leaf()), range.to_leaf, visit));
    }
    if (sink.failure()) return std::unexpected(*sink.failure());
    return {};
}

Result<std::uint64_t> export_to(const AuditPlace& place, const Range& range, const std::string& path, bool csv) {
    const SystemClock clock;
    TG_TRY(const OpenedLog log, OpenedLog::open(place, clock));
    if (range.from_leaf != 0 && range.from_leaf < log.reader().first_leaf()) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("the log begins at leaf {}: what was before is removed", log.reader().first_leaf()));
    }
    // Under its name only when it is whole and on the disk.
    const std::string part = path + ".part";
    const Descriptor file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.get() < 0) return std::unexpected(disk_error("the file cannot be made"));
    Sink sink(file.get(), csv ? append_csv : append_ndjson);
    if (csv) sink.put(kCsvHead);
    auto written = write_range(log.reader(), range, sink);
    if (written && !sink.flush()) written = std::unexpected(*sink.failure());
    if (written && (::fsync(file.get()) != 0 || std::rename(part.c_str(), path.c_str()) != 0)) {
        written = std::unexpected(disk_error("the file cannot be finished"));
    }
    if (!written) {
        std::remove(part.c_str());
        return std::unexpected(std::move(written).error());
    }
    return sink.records();
}

/// The leaf of the last record but `count`.
Result<std::uint64_t> tail_from(const AuditPlace& place, std::uint64_t count, bool follow, const Clock& clock) {
    const auto log = OpenedLog::open(place, clock);
    // A log that has just been made is worth waiting for.
    if (!log && follow && !place.database && log.error().code == ErrorCode::kNotFound) return 0;
    if (!log) return std::unexpected(log.error());
    const std::uint64_t end = log->reader().end_leaf();
    return std::max(log->reader().first_leaf(), end - std::min(end, count));
}

Result<void> follow_log(const AuditPlace& place, std::uint64_t count, bool follow) {
    const SystemClock clock;
    TG_TRY(const std::uint64_t from, tail_from(place, count, follow, clock));
    TG_TRY(AuditTail tail, AuditTail::open(place, from, clock));
    Sink sink(STDOUT_FILENO, append_ndjson);
    std::uint64_t odd = 0;
    Mutex mutex;
    Condition never;  // A signal ends the program as it is.
    for (;;) {
        TG_CHECK(tail.poll([&](std::uint64_t leaf, Bytes record) { return sink.take(leaf, record); }));
        if (!sink.failure()) sink.flush();
        if (sink.failure()) return std::unexpected(*sink.failure());
        if (const std::uint64_t now = tail.taken_back() + tail.missed(); now != std::exchange(odd, now)) {
            fmt::print(stderr,
                       "tidegate: {} record(s) were taken back by a write that failed, {} were removed unread\n",
                       tail.taken_back(), tail.missed());
        }
        if (!follow) return {};
        const Lock lock(mutex);
        never.wait_for(mutex, kPollEvery);
    }
}

int misused_tail(const Error& error) {
    return wrong_use(error.message);
}

}  // namespace

int run_audit_tail(const Invocation& invocation) {
    const auto words = read_audit_words(invocation.words, {"-n", "--follow", "--schema", "--folder"});
    if (!words) return misused_tail(words.error());
    const auto place = audit_place(*words, invocation.settings);
    if (!place) return audit_failed(place.error());
    const auto count = number_in(*words, "-n", kTailDefault);
    if (!count) return misused_tail(count.error());
    const auto done = follow_log(*place, *count, words->has("--follow"));
    return done ? 0 : audit_failed(done.error());
}

int run_audit_export(const Invocation& invocation) {
    const auto words = read_audit_words(
        invocation.words, {"--out", "--format", "--from", "--to", "--from-leaf", "--to-leaf", "--schema", "--folder"});
    if (!words || words->one("--out").empty()) return wrong_use(std::string(kAuditUsage));
    const std::string format = words->one("--format");
    if (!format.empty() && format != "ndjson" && format != "csv") return wrong_use("--format is ndjson or csv");
    const auto range = range_in(*words);
    if (!range) return misused_tail(range.error());
    const auto place = audit_place(*words, invocation.settings);
    if (!place) return audit_failed(place.error());
    const auto records = export_to(*place, *range, words->one("--out"), format == "csv");
    if (!records) return audit_failed(records.error());
    fmt::print("{} record(s)\n", *records);
    return 0;
}

int run_audit_key(const Invocation& invocation) {
    const std::string verb = invocation.words.size() < 2 ? std::string() : invocation.words[1];
    const auto words = read_audit_words(invocation.words, {"--origin"}, 2);
    if (!words || words->one("--origin").empty() || (verb != "create" && verb != "show")) {
        return wrong_use(std::string(kAuditUsage));
    }
    const auto key = verb == "create" ? audit::keep::create_log_key(words->place, words->one("--origin"))
                                      : audit::proof::SigningKey::load(words->place, words->one("--origin"));
    if (!key) return audit_failed(key.error());
    fmt::print("{}\n", key->verifier().to_text());
    return 0;
}

}  // namespace tidegate::app
