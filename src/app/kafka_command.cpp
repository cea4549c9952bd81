// `tidegate kafka worker`: one member of the group until a signal. `tidegate kafka verify`: every partition's log, and that none is missing.
//
// Exit status 0: it holds, or the worker has ended as asked. 1: it does not, or cannot be done. 2: wrong use. 3 (verify): nothing was found, and
// completeness cannot be judged (no key, or no checkpoint).
#include <fmt/core.h>
#include <sys/stat.h>

#include <csignal>

#include "app/commands.h"
#include "app/failed.h"
#include "audit/proof/merkle.h"
#include "audit/segments/merkle.h"
#include "audit/verify/verify.h"
#include "base/file.h"
#include "bus/bus.h"
#include "bus/super_checkpoint.h"

namespace tidegate::app {
namespace {

namespace verify = audit::verify;

constexpr std::string_view kKafkaUsage =
    "kafka takes one of:\n"
    "  worker\n"
    "  verify FOLDER [--key FILE] [--checkpoint FILE]";
constexpr std::uint64_t kKafkaFileMax = 1U << 20U;

int run_worker(const Invocation& invocation) {
    if (invocation.words.size() != 1) return wrong_use(std::string(kKafkaUsage));
    ::umask(077);
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT}) sigaddset(&signals, number);
    // Before the first thread, so that sigwait() is the only receiver.
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const SystemClock clock;
    SystemRandom random;
    const auto level = observe::parse_level(invocation.settings.process.log_level);
    if (!level) return failed(level.error());
    auto log = observe::Logger::open({.level = *level, .path = invocation.settings.process.log_path}, clock);
    if (!log) return failed(log.error());
    const auto options = bus::worker_options(invocation.settings.bus, invocation.settings.process.data_dir);
    if (!options) return failed(options.error());
    auto worker = bus::Worker::start(*options, clock, random, log->get());
    if (!worker) return failed(worker.error());
    (*log)
        ->line(observe::Level::kInfo, "kafka_worker_started")
        .field("topic", options->topic)
        .field("group", options->group);
    int number = 0;
    while (sigwait(&signals, &number) != 0) {
    }
    (*worker)->stop();
    (*log)->line(observe::Level::kInfo, "kafka_worker_ended");
    return 0;
}

struct Given {
    std::string folder;
    std::string keys;        // The text of the key file; empty: none was given.
    std::string checkpoint;  // Somebody's copy of a super-checkpoint.
};

Result<Given> read_given(const std::vector<std::string>& words) {
    Given given;
    const SystemDisk disk;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        if (words[i] == "--key" && has_value) {
            TG_TRY(given.keys, disk.read(words[++i], kKafkaFileMax));
        } else if (words[i] == "--checkpoint" && has_value) {
            TG_TRY(given.checkpoint, disk.read(words[++i], kKafkaFileMax));
        } else if (!words[i].starts_with("--") && given.folder.empty()) {
            given.folder = words[i];
        } else {
            return fail(ErrorCode::kInvalidArgument, std::string(kKafkaUsage));
        }
    }
    if (given.folder.empty()) return fail(ErrorCode::kInvalidArgument, std::string(kKafkaUsage));
    return given;
}

/// The root over the first `size` records; nothing: there are fewer.
Result<std::optional<Sha256>> root_at(const std::string& folder, std::uint64_t size) {
    audit::segments::MerkleStack tree;
    TG_CHECK(verify::walk_records(folder, [&](std::uint64_t, verify::Bytes record) {
        if (tree.size() == size) return false;
        tree.add(audit::segments::leaf_hash(record));
        return true;
    }));
    if (tree.size() != size) return std::optional<Sha256>();
    return std::optional(tree.root());
}

/// Prints what is wrong. True: the logs lead to what it says.
Result<bool> check_super(const std::string& folder, const std::string& note, const std::vector<bus::VerifierKey>& keys,
                         std::string_view whose) {
    const auto opened = bus::open_super(note, keys);
    if (!opened) {
        fmt::print("FOUND {}: {}\n", whose, opened.error().message);
        return false;
    }
    bool holds = true;
    std::uint64_t records = 0;
    for (const auto& [partition, head] : opened->heads) {
        records += head.size;
        TG_TRY(const auto root, root_at(bus::partition_folder(folder, partition), head.size));
        if (root && *root == head.root) continue;
        holds = false;
        fmt::print("FOUND {}: partition {}: {}\n", whose, partition,
                   root ? "its records lead to another root" : "it has fewer records than were signed");
    }
    fmt::print("{}: {} records in {} partitions, signed {}: {}\n", whose, records, opened->heads.size(),
               format_rfc3339(opened->time), holds ? "holds" : "BROKEN");
    return holds;
}

struct Outcome {
    bool broken = false;
    bool not_judged = false;
    std::uint64_t records = 0;
};

Result<void> verify_partition(const Given& given, std::uint32_t partition, const std::vector<bus::VerifierKey>& keys,
                              Outcome& outcome) {
    verify::Evidence evidence{.folder = bus::partition_folder(given.folder, partition), .keys = {}, .checkpoints = {}};
    const std::string suffix = bus::partition_origin("", partition);
    for (const bus::VerifierKey& key : keys) {
        if (!key.name().ends_with(suffix)) continue;
        TG_TRY(evidence.keys, verify::parse_keys(key.to_text() + "\n"));
    }
    TG_TRY(const verify::Report report, verify::verify_log(evidence));
    fmt::print("partition {}\n{}", partition, verify::to_text(report));
    outcome.records += report.records;
    outcome.broken = outcome.broken || report.exit_code() == 1;
    // Nothing of an empty one is signed; that it is empty and should not be is for the super-checkpoint to say.
    outcome.not_judged = outcome.not_judged || (report.exit_code() == 3 && report.end_leaf > 0);
    return {};
}

Result<int> verify_all(const Given& given) {
    std::vector<bus::VerifierKey> keys;
    if (!given.keys.empty()) {
        TG_TRY(keys, audit::proof::parse_verifier_keys(given.keys));
    }
    TG_TRY(const auto partitions, bus::partitions_in(given.folder));
    if (partitions.empty()) return fail(ErrorCode::kNotFound, "there is no partition's log in the folder");
    Outcome outcome;
    for (const std::uint32_t partition : partitions) TG_CHECK(verify_partition(given, partition, keys, outcome));
    const auto own = SystemDisk().read(given.folder + "/" + std::string(bus::kSuperName), kKafkaFileMax);
    if (keys.empty() || !own) {
        outcome.not_judged = true;
        fmt::print("no super-checkpoint is checked: {}\n", keys.empty() ? "no key was given" : "there is none");
    } else {
        TG_TRY(const bool holds, check_super(given.folder, *own, keys, "the folder's super-checkpoint"));
        outcome.broken = outcome.broken || !holds;
    }
    if (!given.checkpoint.empty()) {
        TG_TRY(const bool holds, check_super(given.folder, given.checkpoint, keys, "the given super-checkpoint"));
        outcome.broken = outcome.broken || !holds;
    }
    fmt::print("{} records in {} partitions: {}\n", outcome.records, partitions.size(),
               outcome.broken       ? "BROKEN"
               : outcome.not_judged ? "nothing was found, completeness is not judged"
                                    : "hold");
    return outcome.broken ? 1 : outcome.not_judged ? 3 : 0;
}

}  // namespace

int run_kafka(const Invocation& invocation) {
    const std::string verb = invocation.words.empty() ? std::string() : invocation.words.front();
    if (verb == "worker") return run_worker(invocation);
    if (verb != "verify") return wrong_use(std::string(kKafkaUsage));
    const auto given = read_given(invocation.words);
    if (!given) return wrong_use(given.error().message);
    const auto status = verify_all(*given);
    return status ? *status : failed(status.error());
}

}  // namespace tidegate::app
