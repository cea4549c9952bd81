#include "app/audit_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "app/audit_place.h"
#include "app/audit_words.h"
#include "audit/decision.h"
#include "audit/proof/checkpoint.h"
#include "audit/proof/tile_store.h"
#include "audit/segments/record.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "services/compliance/reports/report.h"

namespace tidegate::app {
namespace {

namespace proof = audit::proof;
using compliance::Report;

constexpr std::uint64_t kReportKeyMax = 64UL * 1024;
constexpr std::string_view kReportUsage =
    "audit report LOG --type sec|finra|mifid2|gdpr|ai-act --from TIME --to TIME --output FILE\n"
    "  [--format json|html|csv-of-failures|ndjson] [--key FILE] [--tenant T] [--service S] [--model M] [--subject S]\n"
    "ndjson: the records of --subject, of type gdpr";

std::optional<std::string> option_of(const AuditWords& words, const std::string& name) {
    const auto found = words.options.find(name);
    return found == words.options.end() ? std::nullopt : std::optional(found->second);
}

Result<compliance::ReportQuery> read_query(const AuditWords& words) {
    compliance::ReportQuery query;
    TG_TRY(query.from, parse_rfc3339(words.one("--from")));
    TG_TRY(query.to, parse_rfc3339(words.one("--to")));
    query.tenant = option_of(words, "--tenant");
    query.service = option_of(words, "--service");
    query.model = option_of(words, "--model");
    query.subject = words.one("--subject");
    return query;
}

/// The newest checkpoint beside the log, checked with the keys where there are any. Nothing: none was ever signed.
Result<std::optional<compliance::ReportHead>> read_report_head(const std::string& folder, const std::string& key_file) {
    const auto note = proof::read_last_checkpoint(folder + "/checkpoints");
    if (!note && note.error().code != ErrorCode::kNotFound) return std::unexpected(note.error());
    if (!note || note->empty()) return std::nullopt;
    compliance::ReportHead head{.head = {}, .time = 0, .note = *note, .verifier = "not checked: no --key was given"};
    proof::Checkpoint checkpoint;
    if (key_file.empty()) {
        TG_TRY(const proof::SignedNote parsed, proof::parse_note(*note));
        TG_TRY(checkpoint, proof::parse_checkpoint(parsed.text));
    } else {
        TG_TRY(const std::string text, SystemDisk().read(key_file, kReportKeyMax));
        TG_TRY(const auto keys, proof::parse_verifier_keys(text));
        TG_TRY(checkpoint, proof::open_checkpoint(*note, keys));
        head.verifier = keys.front().to_text();
    }
    head.head = checkpoint.head;
    for (const std::string& line : checkpoint.extensions) {
        if (!line.starts_with("time ")) continue;
        head.time = static_cast<UnixMillis>(parse_u64(std::string_view(line).substr(5)).value_or(0));
    }
    return head;
}

/// Quoted; and a text that a spreadsheet would compute begins with an apostrophe.
void append_cell(std::string& out, std::string_view text) {
    out += '"';
    if (!text.empty() && std::string_view("=+-@\t\r").contains(text.front())) out += '\'';
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

std::string failures_csv(const Report& report) {
    std::string out = "report,control,reference,outcome,n,failing,id,leaf,time,why\r\n";
    for (const compliance::ControlResult& control : report.controls) {
        for (const compliance::FailingRow& row : control.rows) {
            const std::string leaf = row.leaf ? std::to_string(*row.leaf) : std::string();
            bool first = true;
            for (const std::string& cell :
                 {report.name, control.id, control.reference, std::string(to_string(control.outcome)),
                  std::to_string(control.n), std::to_string(control.failing), row.id, leaf, format_rfc3339(row.time),
                  row.why}) {
                if (!std::exchange(first, false)) out += ',';
                append_cell(out, cell);
            }
            out += "\r\n";
        }
    }
    return out;
}

/// The decisions of the subject in the period, as they stand in the log.
Result<std::string> subject_ndjson(const audit::LogReader& reader, const compliance::ReportQuery& query) {
    std::string out;
    Result<void> sound;
    const auto look = [&](std::uint64_t leaf, audit::segments::Bytes bytes) {
        const auto view = audit::segments::decode(bytes);
        if (!view) {
            sound = std::unexpected(view.error());
            return false;
        }
        const UnixMillis time = unix_ms_of(view->id);
        const auto differs = [](const std::optional<std::string>& wanted, std::string_view have) {
            return wanted && *wanted != have;
        };
        if (view->kind != audit::RecordKind::kDecision || view->actor != query.subject) return true;
        if (time < query.from || time >= query.to || differs(query.tenant, view->tenant)) return true;
        if (differs(query.service, view->service) || differs(query.model, view->model)) return true;
        JsonWriter writer(out);
        writer.begin_object().field("leaf", leaf).field("recorded", format_rfc3339(view->recorded)).key("decision");
        audit::append_json(writer, audit::segments::to_decision(*view));
        writer.end_object();
        out += '\n';
        return true;
    };
    TG_CHECK(reader.scan(reader.first_leaf(), reader.end_leaf(), look));
    TG_CHECK(std::move(sound));
    return out;
}

Result<Report> make(const AuditPlace& place, const OpenedLog& log, const AuditWords& words,
                    const compliance::ReportQuery& query, const compliance::PassLimits& limits) {
    TG_TRY(const auto head, read_report_head(place.folder, words.one("--key")));
    const auto tiles = proof::TileStore::view(place.folder + "/tiles", head ? head->head.size : 0);
    compliance::LogSources sources{.reader = log.reader(), .history = nullptr, .hashes = *tiles};
    sources.log_id = to_hex(log.log_id().data(), log.log_id().size());
    sources.head = head;
    sources.server_known = false;
    sources.now = SystemClock().unix_ms();
    return compliance::make_report(words.one("--type"), query, sources, limits);
}

Result<std::string> body_of(const AuditPlace& place, const AuditWords& words, const AppSettings& settings) {
    const std::string format = words.options.contains("--format") ? words.one("--format") : "json";
    TG_TRY(const compliance::ReportQuery query, read_query(words));
    const SystemClock clock;
    TG_TRY(const OpenedLog log, OpenedLog::open(place, clock));
    if (format == "ndjson") return subject_ndjson(log.reader(), query);
    // Without it the report would say that nothing was ever signed.
    if (place.folder.empty()) {
        return fail(ErrorCode::kInvalidArgument, "--folder is needed: the checkpoints lie beside the database");
    }
    // A file has room for all that fail.
    const std::size_t rows = format == "csv-of-failures" ? 1'000'000 : settings.reports.rows_max;
    const compliance::PassLimits limits{
        .records_max = std::numeric_limits<std::uint64_t>::max(), .rows_max = rows, .cancelled = {}};
    TG_TRY(const Report report, make(place, log, words, query, limits));
    if (format == "html") return compliance::to_html(report);
    return format == "json" ? compliance::to_json(report) + "\n" : failures_csv(report);
}

bool is_right(const AuditWords& words) {
    const auto names = compliance::report_names();
    if (std::ranges::find(names, words.one("--type")) == names.end()) return false;
    for (const char* needed : {"--from", "--to", "--output"}) {
        if (words.one(needed).empty()) return false;
    }
    if (words.options.contains("--subject") && words.one("--type") != "gdpr") return false;
    if (!words.options.contains("--format")) return true;
    const std::string format = words.one("--format");
    if (format == "ndjson") return words.one("--type") == "gdpr" && !words.one("--subject").empty();
    return format == "json" || format == "html" || format == "csv-of-failures";
}

}  // namespace

int run_audit_report(const Invocation& invocation) {
    const auto words =
        read_audit_words(invocation.words, {"--type", "--from", "--to", "--output", "--format", "--key", "--tenant",
                                            "--service", "--model", "--subject", "--schema", "--folder"});
    if (!words || !is_right(*words)) return wrong_use(std::string(kReportUsage));
    const auto place = audit_place(*words, invocation.settings);
    if (!place) return audit_failed(place.error());
    const auto body = body_of(*place, *words, invocation.settings);
    if (!body) return audit_failed(body.error());
    SystemDisk disk;
    const auto written = disk.write_atomic(words->one("--output"), *body);
    return written ? 0 : audit_failed(written.error());
}

}  // namespace tidegate::app
