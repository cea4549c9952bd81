// `tidegate eval redaction [--seed N] [--out FILE]`: precision and recall of the redaction on its made test set, and its speed.
#include <fmt/core.h>

#include <map>

#include "app/commands.h"
#include "audit/privacy/crypto.h"
#include "audit/privacy/redaction_eval.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "services/provenance/text/evaluate.h"

namespace tidegate::app {
namespace {

namespace privacy = audit::privacy;

constexpr std::size_t kSentences = 20'000;
constexpr std::uint64_t kSeed = 4;

struct RedactionEvalArguments {
    std::uint64_t seed = kSeed;
    std::string out;
};

struct Speed {
    double cases_mb_s = 0;  // The test set: a candidate every few words.
    double prose_mb_s = 0;  // Words without a number.
    double json_mb_s = 0;   // An answer as the text detector's record has it.
    double hmac_ns = 0;     // Of one commitment.
};

Result<RedactionEvalArguments> read_redaction_eval_arguments(const std::vector<std::string>& words) {
    RedactionEvalArguments arguments;
    const auto usage = [] {
        return fail(ErrorCode::kInvalidArgument, "eval takes: redaction [--seed N] [--out FILE]");
    };
    for (std::size_t i = 1; i < words.size(); i += 2) {
        if (i + 1 == words.size()) return usage();
        const auto seed = parse_u64(words[i + 1]);
        if (words[i] == "--out") {
            arguments.out = words[i + 1];
        } else if (words[i] == "--seed" && seed) {
            arguments.seed = *seed;
        } else {
            return usage();
        }
    }
    return arguments;
}

/// Repeats `work` for about 0.3 s; seconds for one.
template <class Work>
double time_of(const Clock& clock, Work work) {
    const SteadyTime start = clock.now();
    std::size_t times = 0;
    do {
        work();
        ++times;
    } while (clock.now() - start < std::chrono::milliseconds(300));
    return std::chrono::duration<double>(clock.now() - start).count() / static_cast<double>(times);
}

double mb_s(std::size_t bytes, double seconds) {
    return static_cast<double>(bytes) / 1e6 / seconds;
}

Speed measure(const std::vector<privacy::LabelledText>& cases, const Clock& clock) {
    std::string joined;
    for (const privacy::LabelledText& one : cases) joined.append(one.text).push_back('\n');
    std::string prose;
    while (prose.size() < 1'000'000) prose += "the quick brown fox jumps over the lazy dog, again and again. ";
    const std::string answer =
        R"({"is_ai_generated":false,"confidence":0.1273,"decision_band":"human","interval":[0.08,0.19],"log_odds":-1.92,"uncertainty_flags":["short_text"],"word_count":120})";
    const auto policy =
        privacy::RedactionPolicy::parse({"email", "phone", "card", "iban", "national_id", "ip"}, "label");
    Speed speed;
    speed.cases_mb_s = mb_s(joined.size(), time_of(clock, [&] { return privacy::find_personal(joined).size(); }));
    speed.prose_mb_s = mb_s(prose.size(), time_of(clock, [&] { return privacy::find_personal(prose).size(); }));
    speed.json_mb_s = mb_s(answer.size(), time_of(clock, [&] {
                               std::string copy = answer;
                               return privacy::redact_json(copy, *policy).value();
                           }));
    Sha256 chained{};
    const privacy::Key key = privacy::Key::from(std::string(privacy::Key::kBytes, 'k'));
    speed.hmac_ns = 1e9 * time_of(clock, [&] {
                        chained = privacy::hmac_sha256(key.chars(),
                                                       {reinterpret_cast<const char*>(chained.data()), chained.size()});
                    });
    return speed;
}

void print(const privacy::RedactionScore& score, const Speed& speed) {
    fmt::print("{} made texts, {} bytes (synthetic: see docs/privacy.md)\n\n", score.texts, score.bytes);
    fmt::print("{:<12} {:>9} {:>7} {:>9} {:>7}\n", "class", "precision", "n", "recall", "n");
    for (std::size_t i = 0; i < privacy::kPiiClasses; ++i) {
        fmt::print("{:<12} {:>9.4f} {:>7} {:>9.4f} {:>7}\n", to_string(static_cast<privacy::PiiClass>(i)),
                   score.precision[i].value(), score.precision[i].of, score.recall[i].value(), score.recall[i].of);
    }
    fmt::print("\n{:<20} {:>9} {:>7}\n", "kind", "recall", "n");
    for (const auto& [kind, share] : score.recall_by_kind)
        fmt::print("{:<20} {:>9.4f} {:>7}\n", kind, share.value(), share.of);
    fmt::print("\ntest set {:.0f} MB/s, prose {:.0f} MB/s, short JSON {:.0f} MB/s, commitment {:.0f} ns\n",
               speed.cases_mb_s, speed.prose_mb_s, speed.json_mb_s, speed.hmac_ns);
    fmt::print("\nthe first mistakes:\n");
    for (const std::string& mistake : score.mistakes) fmt::print("  {}\n", mistake);
}

std::string redaction_eval_json(const privacy::RedactionScore& score, const Speed& speed,
                                const RedactionEvalArguments& arguments, UnixMillis now) {
    const auto machine = provenance::text::machine_facts();
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("date", format_rfc3339(now))
        .field("data", "synthetic, made by the program; see docs/privacy.md");
    json.field("seed", arguments.seed).field("texts", score.texts).field("bytes", score.bytes);
    json.key("machine").begin_object().field("cpu", machine.cpu).field("cores", machine.cores).end_object();
    json.key("classes").begin_object();
    for (std::size_t i = 0; i < privacy::kPiiClasses; ++i) {
        json.key(to_string(static_cast<privacy::PiiClass>(i))).begin_object();
        json.field("precision", score.precision[i].value()).field("found", score.precision[i].of);
        json.field("recall", score.recall[i].value()).field("there", score.recall[i].of).end_object();
    }
    json.end_object().key("recall_by_kind").begin_object();
    for (const auto& [kind, share] : score.recall_by_kind) {
        json.key(kind).begin_object().field("recall", share.value()).field("there", share.of).end_object();
    }
    json.end_object().key("speed").begin_object().field("test_set_mb_s", speed.cases_mb_s);
    json.field("prose_mb_s", speed.prose_mb_s).field("short_json_mb_s", speed.json_mb_s);
    json.field("commitment_ns", speed.hmac_ns).end_object().end_object();
    return out + "\n";
}

Result<void> run_redaction_eval(const RedactionEvalArguments& arguments) {
    const SystemClock clock;
    const auto cases = privacy::redaction_cases(arguments.seed, kSentences);
    const privacy::RedactionScore score = privacy::score_redaction(cases);
    const Speed speed = measure(cases, clock);
    print(score, speed);
    if (arguments.out.empty()) return {};
    SystemDisk disk;
    TG_CHECK(disk.write_atomic(arguments.out, redaction_eval_json(score, speed, arguments, clock.unix_ms())));
    fmt::print("stored in {}\n", arguments.out);
    return {};
}

}  // namespace

int run_eval_redaction(const Invocation& invocation) {
    const auto arguments = read_redaction_eval_arguments(invocation.words);
    if (!arguments) return wrong_use(arguments.error().message);
    const auto done = run_redaction_eval(*arguments);
    if (done) return 0;
    fmt::print(stderr, "tidegate: {}\n", done.error().message);
    return 1;
}

}  // namespace tidegate::app
