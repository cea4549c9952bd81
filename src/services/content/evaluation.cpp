// `tidegate eval content --data FOLDER`: each collection in FOLDER by its judged questions: search, answers, and how long they take.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/json_writer.h"
#include "load/machine.h"
#include "services/content/commands.h"
#include "services/content/content.h"
#include "services/content/evaluation_model.h"
#include "services/content/evaluation_store.h"
#include "services/content/search/evaluate.h"
#include "services/module/evaluation.h"

namespace tidegate::content {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAnswerResults = 10;

/// With one kind of vectors.
struct WayReport {
    RankMeasures dense, hybrid;
    AnswerMeasures answers;
    std::vector<std::pair<std::string, AnswerMeasures>> foreign;  // Its questions asked of the other collections.
};

struct HalfReport {
    std::string half;
    RankMeasures lexical;
    WayReport own;                   // By the space that is learnt from the texts.
    std::optional<WayReport> model;  // By the vectors of a model.
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

void write_way(JsonWriter& writer, const WayReport& way) {
    write_ranks(writer, "dense", way.dense);
    write_ranks(writer, "hybrid", way.hybrid);
    writer.key("answers");
    write_answers(writer, way.answers);
    writer.key("asked_of_other_sources").begin_object();
    for (const auto& [name, answers] : way.foreign) {
        writer.key(name);
        write_answers(writer, answers);
    }
    writer.end_object();
}

void write_collection(JsonWriter& writer, const CollectionReport& one) {
    writer.begin_object().field("name", one.name).field("documents", one.documents);
    writer.field("import_s", one.import_s).field("train_s", one.train_s).key("halves").begin_array();
    for (const HalfReport& half : one.halves) {
        writer.begin_object().field("half", half.half);
        write_ranks(writer, "lexical", half.lexical);
        write_way(writer, half.own);
        if (half.model) {
            writer.key("model").begin_object();
            write_way(writer, *half.model);
            writer.end_object();
        }
        writer.end_object();
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

Result<WayReport> measure_way(Library& library, const Clock& clock, const std::vector<JudgedQuestion>& questions,
                              const std::vector<CollectionReport>& all, const CollectionReport& one) {
    WayReport way;
    TG_TRY(way.dense, measure_search(library, one.name, questions, SearchMode::kDense));
    TG_TRY(way.hybrid, measure_search(library, one.name, questions, SearchMode::kHybrid));
    TG_TRY(way.answers, measure_answers(library, one.name, questions, kAnswerResults, clock));
    fmt::print("  nDCG@10 {:.4f} (meaning alone {:.4f}), MAP {:.4f}, recall@100 {:.4f}\n", way.hybrid.ndcg_10,
               way.dense.ndcg_10, way.hybrid.map, way.hybrid.recall_100);
    fmt::print("  answered {} of {}, the first citation relevant in {}; p50 {:.2f} ms, p99 {:.2f} ms\n",
               way.answers.answered, way.answers.questions, way.answers.first_is_relevant, way.answers.p50_ms,
               way.answers.p99_ms);
    for (const CollectionReport& other : all) {
        if (other.name == one.name) continue;
        TG_TRY(auto foreign, measure_answers(library, other.name, questions, kAnswerResults, clock));
        fmt::print("  asked of {}: answered {} of {}\n", other.name, foreign.answered, foreign.questions);
        way.foreign.emplace_back(other.name, std::move(foreign));
    }
    return way;
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
        fmt::print("{} {}: words alone nDCG@10 {:.4f}\n", one.name, half, report.lexical.ndcg_10);
        TG_TRY(report.own, measure_way(library, clock, *questions, all, one));
        one.halves.push_back(std::move(report));
    }
    return {};
}

/// The same halves once more, when the model has seen to every passage.
Result<void> measure_model(Library& library, const Disk& disk, const Clock& clock, const std::vector<fs::path>& folders,
                           std::vector<CollectionReport>& all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (HalfReport& half : all[i].halves) {
            TG_TRY(const auto questions, read_questions(disk, folders[i].string(), half.half));
            fmt::print("{} {}, with {}:\n", all[i].name, half.half, library.vectors()->model());
            TG_TRY(half.model, measure_way(library, clock, questions, all, all[i]));
        }
    }
    return {};
}

/// What was measured with, beside the settings.
struct ModelUsed {
    std::string name, version;  // Empty: none.
    double vectors_s = 0;       // All passages of all collections.
};

std::string report_json(const std::vector<CollectionReport>& all, const ContentSettings& settings,
                        const ModelUsed& model, UnixMillis now) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object()
        .field("evaluation", "content")
        .field("time", format_rfc3339(now))
        .field("search", kSearchVersion);
    writer.field("meaning_weight", kMeaningWeight).field("dimensions", settings.dimensions);
    writer.field("chunk_bytes", settings.chunk_bytes).field("store", settings.store);
    if (!model.name.empty()) {
        writer.key("vectors_model").begin_object().field("name", model.name).field("version", model.version);
        writer.field("weight", kModelWeight).field("vectors_s", model.vectors_s).end_object();
    }
    writer.key("collections").begin_array();
    for (const CollectionReport& one : all) write_collection(writer, one);
    writer.end_array().end_object();
    return out + "\n";
}

Result<void> evaluate_all(const service::CommandInput& input, const ContentSettings& settings,
                          const std::string& scratch) {
    std::vector<std::string> words = input.words;
    const EvaluationModelWords model_words = take_model_words(words);
    const service::CommandInput rest{words, input.data_dir, input.database_path};
    TG_TRY(const service::EvaluationArguments arguments,
           service::read_evaluation(
               rest, "eval content --data FOLDER [--models FOLDER --model NAME [--runtime FILE]] [--out FILE]"));
    const SystemClock clock;
    SystemRandom random;
    const SystemDisk disk;
    const std::vector<fs::path> folders = collections_in(arguments.data);
    if (folders.empty())
        return fail(ErrorCode::kNotFound, arguments.data + ": no corpus.jsonl here nor one folder below");
    std::unique_ptr<EvaluationModel> model;
    if (!model_words.name.empty()) {
        TG_TRY(model, EvaluationModel::open(model_words, clock));
    }
    TG_TRY(const EvaluationStore store, EvaluationStore::make(settings, input.database, clock, random));
    TG_TRY(const auto library, Library::open({.path = scratch + "/content.db",
                                              .postgres = store.database(),
                                              .chunk_bytes = settings.chunk_bytes,
                                              .dimensions = settings.dimensions,
                                              .chunks_max = settings.chunks_max,
                                              .trains_itself = false,
                                              .embedder = model ? &model->embedder() : nullptr,
                                              .vectors_path = scratch + "/vectors.db"},
                                             clock, random));
    std::vector<CollectionReport> all;
    for (const fs::path& folder : folders) {
        TG_TRY(CollectionReport one, take_in(*library, disk, clock, folder));
        all.push_back(std::move(one));
    }
    for (std::size_t i = 0; i < folders.size(); ++i) TG_CHECK(measure(*library, disk, clock, folders[i], all, all[i]));
    ModelUsed used;
    if (model) {
        used.name = model_words.name;
        TG_TRY(used.version, model->embedder().version());
        const SteadyTime begin = clock.now();
        TG_CHECK(library->vectors()->make_all());
        used.vectors_s = seconds_since(clock, begin);
        fmt::print("{} passages seen to by {} in {:.1f} s\n", library->vectors()->made(), used.name, used.vectors_s);
        TG_CHECK(measure_model(*library, disk, clock, folders, all));
    }
    const UnixMillis now = clock.unix_ms();
    return service::store_evaluation(rest, arguments, kService, report_json(all, settings, used, now), now);
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
