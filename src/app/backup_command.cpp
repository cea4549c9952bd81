// `tidegate backup FOLDER [--keys FOLDER]`: what a server needs to come back, copied beside the running server or without it.
//
// Order       What speaks of records is copied before them (drift's state, Kafka's position, checkpoints), what records speak of after
//             them (keys of callers, holds, kept content): so the copy never knows of less than its own records need.
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <vector>

#include "app/audit_assembly.h"
#include "app/commands.h"
#include "app/failed.h"
#include "app/server.h"
#include "audit/segments/snapshot.h"
#include "audit/verify/verify.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "store/sqlite.h"

namespace tidegate::app {
namespace {

namespace files = std::filesystem;

constexpr std::string_view kBackupUsage =
    "backup takes an empty folder, and --keys with another one for the secret keys";
constexpr std::uint64_t kSettingsFileMax = 64UL * 1024 * 1024;
// Written last: a folder without it is no whole backup.
constexpr std::string_view kManifest = "/backup.json";

struct BackupWords {
    std::string folder;
    std::string keys;
};

struct Made {
    std::vector<std::string> databases;
    std::vector<std::string> others;
    std::vector<std::string> keys;
    std::size_t job_files = 0;
    std::optional<audit::segments::Snapshot> log;
};

Result<BackupWords> read_backup_words(const std::vector<std::string>& words) {
    BackupWords read;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string& target = words[i] == "--keys" ? read.keys : read.folder;
        if (words[i] == "--keys" && ++i == words.size())
            return fail(ErrorCode::kInvalidArgument, std::string(kBackupUsage));
        if (!target.empty() || words[i].starts_with("--")) {
            return fail(ErrorCode::kInvalidArgument, std::string(kBackupUsage));
        }
        target = words[i];
    }
    if (read.folder.empty()) return fail(ErrorCode::kInvalidArgument, std::string(kBackupUsage));
    return read;
}

Result<void> make_empty_folder(const std::string& path) {
    TG_CHECK(SystemDisk().make_directories(path));
    std::error_code error;
    if (files::is_empty(path, error) && !error) return {};
    return fail(ErrorCode::kConflict, path + " is not an empty folder");
}

/// `inner` is `outer` or lies below it.
bool lies_in(const std::string& inner, const std::string& outer) {
    std::error_code error;
    const files::path below = files::weakly_canonical(inner, error);
    const files::path above = files::weakly_canonical(outer, error);
    return !error && std::ranges::mismatch(above, below).in1 == above.end();
}

/// The files of the data folder itself, sorted; no folders.
Result<std::vector<std::string>> names_in(const std::string& folder) {
    std::error_code error;
    std::set<std::string> names;
    for (files::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        if (at->is_regular_file(error)) names.insert(at->path().filename().string());
    }
    if (error) return fail(ErrorCode::kNotFound, folder + ": " + error.message());
    return std::vector<std::string>(names.begin(), names.end());
}

class Backup {
  public:
    Backup(const AppSettings& settings, const BackupWords& words)
        : settings_(settings), words_(words), data_(settings.process.data_dir) {}

    Result<Made> run() {
        TG_TRY(const auto names, names_in(data_));
        TG_CHECK(make_empty_folder(words_.folder));
        if (!words_.keys.empty()) {
            if (lies_in(words_.keys, words_.folder)) {
                return fail(ErrorCode::kInvalidArgument,
                            "the folder of the keys lies in that of the data: keep them apart");
            }
            TG_CHECK(make_empty_folder(words_.keys));
        }
        for (const std::string& name : names) {
            if (name == "drift.db") TG_CHECK(copy_database(name));
            if (!is_database(name) && !is_passing(name) && !is_key(name)) TG_CHECK(copy_file(name));
        }
        TG_CHECK(copy_log());
        for (const std::string& name : names) {
            if (is_database(name) && name != "drift.db") TG_CHECK(copy_database(name));
        }
        TG_CHECK(copy_content());
        TG_CHECK(copy_job_files());
        if (!words_.keys.empty()) TG_CHECK(copy_keys());
        TG_CHECK(write_manifest());
        return made_;
    }

  private:
    static bool is_database(const std::string& name) { return name.ends_with(".db"); }
    static bool is_passing(const std::string& name) {
        return name.ends_with(".db-wal") || name.ends_with(".db-shm") || name.ends_with(".db-journal") ||
               name.ends_with(".lock") || name == "lock" || name.ends_with(".new") || name.ends_with(".log");
    }
    /// By its name, or because the settings name it as one, whatever it is called.
    bool is_key(const std::string& name) const {
        if (name.ends_with(".key")) return true;
        std::error_code error;
        return std::ranges::any_of(
            std::array{&settings_.keep.signing_key, &settings_.privacy.master_key_path, &settings_.server.tls_key},
            [&](const std::string* key) {
                return !key->empty() && files::equivalent(data_ + "/" + name, *key, error);
            });
    }

    Result<void> copy_database(const std::string& name) {
        TG_TRY(store::Database database, store::Database::open({.path = data_ + "/" + name, .vfs = {}}));
        TG_CHECK(database.backup_to(words_.folder + "/" + name));
        made_.databases.push_back(name);
        return {};
    }

    /// Texts and ledger have a folder of their own. vectors.db is made of the texts again, and may be larger than they are.
    Result<void> copy_content() {
        for (const std::string name : {"content/content.db", "content/ledger.db"}) {
            if (!disk_.exists(data_ + "/" + name)) continue;
            TG_CHECK(disk_.make_directories(words_.folder + "/content"));
            TG_CHECK(copy_database(name));
        }
        return {};
    }

    Result<void> copy_file(const std::string& name) {
        TG_TRY(const std::string bytes, disk_.read(data_ + "/" + name, kSettingsFileMax));
        TG_CHECK(disk_.write_atomic(words_.folder + "/" + name, bytes));
        made_.others.push_back(name);
        return {};
    }

    Result<void> copy_log() {
        const std::string from = audit_folder(settings_);
        if (!disk_.exists(from)) return {};
        const bool in_files = settings_.audit.store != "postgres";
        const std::string to = words_.folder + (in_files ? "/audit" : "/audit-postgres");
        TG_CHECK(disk_.make_directories(to));
        if (!in_files) {
            // The records are in the database, which has its own backups; what was signed for them is here.
            const auto notes = disk_.read(from + "/checkpoints", kSettingsFileMax * 64);
            if (!notes && notes.error().code == ErrorCode::kNotFound) return {};
            if (!notes) return std::unexpected(notes.error());
            return disk_.write_atomic(to + "/checkpoints", *notes);
        }
        const audit::segments::SystemLogFolder source(from, false);
        audit::segments::SystemLogFolder target(to, false);
        TG_TRY(made_.log, audit::segments::copy_log(source, target));
        return {};
    }

    /// After the jobs: each job of the copy that waits has its file here. One that is gone by now belonged to a job that has ended.
    Result<void> copy_job_files() {
        const std::string from = data_ + "/job-files";
        if (!disk_.exists(from)) return {};
        const std::string to = words_.folder + "/job-files";
        TG_CHECK(disk_.make_directories(to));
        TG_TRY(const auto names, names_in(from));
        for (const std::string& name : names) {
            std::error_code error;
            if (files::copy_file(from + "/" + name, to + "/" + name, error)) {
                ++made_.job_files;
            } else if (error && error != std::errc::no_such_file_or_directory) {
                return fail(ErrorCode::kUnavailable, to + "/" + name + ": " + error.message());
            }
        }
        return {};
    }

    Result<void> copy_keys() {
        const auto copy = [&](const std::string& from, const std::string& name) -> Result<void> {
            if (!disk_.exists(from)) return {};
            TG_TRY(const std::string bytes, disk_.read(from, kSettingsFileMax));
            TG_CHECK(disk_.write_atomic(words_.keys + "/" + name, bytes));
            made_.keys.push_back(name);
            return {};
        };
        const std::string& signing = settings_.keep.signing_key;
        const std::string& master = settings_.privacy.master_key_path;
        TG_CHECK(copy(signing.empty() ? data_ + "/checkpoint.key" : signing, "checkpoint.key"));
        TG_CHECK(copy(master.empty() ? data_ + "/master.key" : master, "master.key"));
        return copy(data_ + "/ingest.key", "ingest.key");
    }

    Result<void> write_manifest() {
        std::string out;
        JsonWriter writer(out);
        writer.begin_object().field("format", 1).field("version", version());
        writer.field("made", format_rfc3339(SystemClock().unix_ms())).field("store", settings_.audit.store);
        if (made_.log) writer.field("first_leaf", made_.log->first_leaf).field("end_leaf", made_.log->end_leaf);
        const auto list = [&](std::string_view name, const std::vector<std::string>& values) {
            writer.key(name).begin_array();
            for (const std::string& value : values) writer.value(value);
            writer.end_array();
        };
        list("databases", made_.databases);
        list("files", made_.others);
        writer.field("job_files", made_.job_files);
        writer.end_object();
        return disk_.write_atomic(words_.folder + std::string(kManifest), out + "\n");
    }

    const AppSettings& settings_;
    const BackupWords& words_;
    const std::string& data_;
    SystemDisk disk_;
    Made made_;
};

/// The copy of the log is read once, with the key where it lies: a backup that does not hold is found now and not when it is needed.
Result<audit::verify::Report> verify_copy(const AppSettings& settings, const BackupWords& words) {
    const std::string& key = settings.keep.signing_key;
    const std::string path = (key.empty() ? settings.process.data_dir + "/checkpoint.key" : key) + ".pub";
    audit::verify::Evidence evidence{.folder = words.folder + "/audit", .keys = {}, .checkpoints = {}};
    if (const auto text = SystemDisk().read(path, kSettingsFileMax)) {
        TG_TRY(evidence.keys, audit::verify::parse_keys(*text));
    }
    return audit::verify::verify_log(evidence);
}

}  // namespace

int run_backup(const Invocation& invocation) {
    const auto words = read_backup_words(invocation.words);
    if (!words) return wrong_use(words.error().message);
    ::umask(077);
    const auto made = Backup(invocation.settings, *words).run();
    if (!made) return failed(made.error());
    if (made->log) {
        const auto report = verify_copy(invocation.settings, *words);
        if (!report) return failed(report.error());
        if (report->exit_code() == 1) {
            fmt::print(stderr, "{}tidegate: the copy of the log does not hold; see above\n",
                       audit::verify::to_text(*report));
            return 1;
        }
        fmt::print("{} records, {} segment(s), {} bytes; the copy was read again and holds\n",
                   made->log->end_leaf - made->log->first_leaf, made->log->segments, made->log->bytes);
    } else if (invocation.settings.audit.store == "postgres") {
        fmt::print("the records are in PostgreSQL: back the database up now, after this (pg_dump)\n");
    }
    fmt::print("{} database(s) and {} file(s) in {}\n", made->databases.size(), made->others.size(), words->folder);
    if (words->keys.empty()) {
        fmt::print("the secret keys are not in it: --keys FOLDER copies them to another place\n");
    } else {
        fmt::print("{} key(s) in {}: keep them apart from the data\n", made->keys.size(), words->keys);
    }
    return 0;
}

}  // namespace tidegate::app
