// `tidegate eval content --data FOLDER`: each collection in FOLDER by its judged questions: search, answers, and how long they take.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/json_writer.h"
#include "load/machine.h"
#include "services/content/commands.h"
#include "services/content/content.h"
#include "services/content/search/evaluate.h"
#include "services/module/evaluation.h"

namespace tidegate::content {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAnswerResults = 10;

struct HalfReport {
    std::string half;
    RankMeasures lexical, dense, hybrid;
    AnswerMeasures answers;
    std::vector<std::pair<std::string, AnswerMeasures>> foreign;  // Its questions asked of the other collections.
};

struct CollectionReport {
    std::string name;
    std::size_t documents = 0;
    double import_s = 0, train_s = 0;
    std::vector<HalfReport> halves;
};

void write_ranks(JsonWriter& writer, std::string_view name, const RankMeasures& of) {
    writer.key(name)
        .begin_object()
        .field("ndcg_10", of.ndcg_10)
        .field("map", of.map)
        .field("recall_100", of.recall_100);
    writer.field("mrr_10", of.mrr_10).field("questions", of.questions).end_object();
}

void write_answers(JsonWriter& writer, const AnswerMeasures& of) {
    writer.begin_object().field("questions", of.questions).field("answered", of.answered);
    writer.field("first_citation_judged_relevant", of.first_is_relevant);
    writer.field("p50_ms", of.p50_ms).field("p99_ms", of.p99_ms).end_object();
}

void write_collection(JsonWriter& writer, const CollectionReport& one) {
    writer.begin_object().field("name", one.name).field("documents", one.documents);
    writer.field("import_s", one.import_s).field("train_s", one.train_s).key("halves").begin_array();
    for (const HalfReport& half : one.halves) {
        writer.begin_object().field("half", half.half);
        write_ranks(writer, "lexical", half.lexical);
        write_ranks(writer, "dense", half.dense);
        write_ranks(writer, "hybrid", half.hybrid);
        writer.key("answers");
        write_answers(writer, half.answers);
        writer.key("asked_of_other_sources").begin_object();
        for (const auto& [name, answers] : half.foreign) {
            writer.key(name);
            write_answers(writer, answers);
        }
        writer.end_object().end_object();
    }
    writer.end_array().end_object();
}

/// Collections lie in FOLDER, or FOLDER is one.
std::vector<fs::path> collections_in(const std::string& folder) {
    std::error_code ignored;
    std::vector<fs::path> out;
    if (fs::exists(fs::path(folder) / "corpus.jsonl", ignored)) return {fs::path(folder)};
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (fs::exists(entry.path() / "corpus.jsonl", ignored)) out.push_back(entry.path());
    }
    std::ranges::sort(out);
    return out;
}

double seconds_since(const Clock& clock, SteadyTime begin) {
    return std::chrono::duration<double>(clock.now() - begin).count();
}

Result<CollectionReport> take_in(Library& library, const Disk& disk, const Clock& clock, const fs::path& folder) {
    CollectionReport out{.name = folder.filename().string()};
    TG_TRY(std::vector<Content> corpus, read_corpus(disk, folder.string()));
    out.documents = corpus.size();
    SteadyTime begin = clock.now();
    for (std::size_t at = 0; at < corpus.size(); at += 500) {
        const auto first = corpus.begin() + static_cast<std::ptrdiff_t>(at);
        const auto last = corpus.begin() + static_cast<std::ptrdiff_t>(std::min(corpus.size(), at + 500));
        TG_CHECK(library.put(out.name, {first, last}));
    }
    out.import_s = seconds_since(clock, begin);
    begin = clock.now();
    TG_CHECK(library.train(out.name));
    out.train_s = seconds_since(clock, begin);
    return out;
}

Result<void> measure(Library& library, const Disk& disk, const Clock& clock, const fs::path& folder,
                     std::vector<CollectionReport>& all, CollectionReport& one) {
    for (const std::string half : {"dev", "heldout"}) {
        const auto questions = read_questions(disk, folder.string(), half);
        if (!questions) {
            fmt::print("{} {}: not there\n", one.name, half);
            continue;
        }
        HalfReport report{.half = half};
        TG_TRY(report.lexical, measure_search(library, one.name, *questions, SearchMode::kLexical));
        TG_TRY(report.dense, measure_search(library, one.name, *questions, SearchMode::kDense));
        TG_TRY(report.hybrid, measure_search(library, one.name, *questions, SearchMode::kHybrid));
        TG_TRY(report.answers, measure_answers(library, one.name, *questions, kAnswerResults, clock));
        fmt::print("{} {}: nDCG@10 {:.4f} (words alone {:.4f}, meaning alone {:.4f}), MAP {:.4f}, recall@100 {:.4f}\n",
                   one.name, half, report.hybrid.ndcg_10, report.lexical.ndcg_10, report.dense.ndcg_10,
                   report.hybrid.map, report.hybrid.recall_100);
        fmt::print("  answered {} of {}, the first citation relevant in {}; p50 {:.2f} ms, p99 {:.2f} ms\n",
                   report.answers.answered, report.answers.questions, report.answers.first_is_relevant,
                   report.answers.p50_ms, report.answers.p99_ms);
        for (const CollectionReport& other : all) {
            if (other.name == one.name) continue;
            TG_TRY(auto foreign, measure_answers(library, other.name, *questions, kAnswerResults, clock));
            fmt::print("  asked of {}: answered {} of {}\n", other.name, foreign.answered, foreign.questions);
            report.foreign.emplace_back(other.name, std::move(foreign));
        }
        one.halves.push_back(std::move(report));
    }
    return {};
}

std::string report_json(const std::vector<CollectionReport>& all, const ContentSettings& settings, UnixMillis now) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object()
        .field("evaluation", "content")
        .field("time", format_rfc3339(now))
        .field("search", kSearchVersion);
    writer.field("meaning_weight", kMeaningWeight).field("dimensions", settings.dimensions);
    writer.field("chunk_bytes", settings.chunk_bytes).key("collections").begin_array();
    for (const CollectionReport& one : all) write_collection(writer, one);
    writer.end_array().end_object();
    return out + "\n";
}

Result<void> evaluate_all(const service::CommandInput& input, const ContentSettings& settings,
                          const std::string& scratch) {
    TG_TRY(const service::EvaluationArguments arguments,
           service::read_evaluation(input, "eval content --data FOLDER [--out FILE]"));
    const SystemClock clock;
    SystemRandom random;
    const SystemDisk disk;
    const std::vector<fs::path> folders = collections_in(arguments.data);
    if (folders.empty())
        return fail(ErrorCode::kNotFound, arguments.data + ": no corpus.jsonl here nor one folder below");
    TG_TRY(const auto library, Library::open({.path = scratch + "/content.db",
                                              .chunk_bytes = settings.chunk_bytes,
                                              .dimensions = settings.dimensions,
                                              .chunks_max = settings.chunks_max,
                                              .trains_itself = false},
                                             clock, random));
    std::vector<CollectionReport> all;
    for (const fs::path& folder : folders) {
        TG_TRY(CollectionReport one, take_in(*library, disk, clock, folder));
        all.push_back(std::move(one));
    }
    for (std::size_t i = 0; i < folders.size(); ++i) TG_CHECK(measure(*library, disk, clock, folders[i], all, all[i]));
    const UnixMillis now = clock.unix_ms();
    return service::store_evaluation(input, arguments, kService, report_json(all, settings, now), now);
}

}  // namespace

int run_evaluation(const service::CommandInput& input, const ContentSettings& settings) {
    std::error_code ignored;
    std::string scratch = (fs::temp_directory_path(ignored) / "tidegate-eval-XXXXXX").string();
    if (mkdtemp(scratch.data()) == nullptr)
        return service::failed({ErrorCode::kUnavailable, scratch + ": cannot be made"});
    const auto done = evaluate_all(input, settings, scratch);
    fs::remove_all(scratch, ignored);
    if (done) return 0;
    return done.error().code == ErrorCode::kInvalidArgument ? service::wrong_use(done.error().message)
                                                            : service::failed(done.error());
}

}  // namespace tidegate::content
