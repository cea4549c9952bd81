// How long the text detector takes: 2 KB and 50,000 characters of varied made-up prose, the same text again and
// changing ones, hostile text, and loading.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/file.h"
#include "base/random.h"
#include "base/utf8.h"
#include "services/provenance/text/dataset.h"
#include "services/provenance/text/detector.h"
#include "services/provenance/text/lexicon.h"
#include "services/provenance/text/reading.h"

namespace {

namespace text = tidegate::provenance::text;

const text::TextDetector& detector() {
    static const auto loaded = text::TextDetector::embedded();
    TG_ASSERT(loaded.has_value());
    return **loaded;
}

// Half function words, half words of two to four syllables, sentences of 5 to 24 words: as many different n-grams as
// real prose, or more.
std::string prose(std::size_t bytes, std::uint64_t seed = 11) {
    constexpr std::string_view kSyllables[] = {"ba",  "con", "der", "fi",  "gra", "har", "in",   "jo", "kel", "la",
                                               "men", "no",  "per", "qui", "ro",  "sta", "tion", "ul", "ver", "ing"};
    const auto words = text::function_words();
    tidegate::SeededRandom random(seed);
    std::string out;
    while (out.size() < bytes) {
        const std::size_t length = 5 + random.next_u64() % 20;
        for (std::size_t w = 0; w < length; ++w) {
            if (random.next_u64() % 2 == 0) {
                out += words[random.next_u64() % words.size()];
            } else {
                for (std::size_t s = 0; s < 2 + random.next_u64() % 3; ++s)
                    out += kSyllables[random.next_u64() % std::size(kSyllables)];
            }
            out += w + 1 == length ? ". " : random.next_u64() % 9 == 0 ? ", " : " ";
        }
    }
    out.resize(bytes);
    return out;
}

void analyse(benchmark::State& state, const std::string& input) {
    for (auto _ : state) {
        const auto analysis = detector().analyse(input);
        TG_ASSERT(analysis.has_value());
        benchmark::DoNotOptimize(analysis->log_odds);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}

void BM_Analyse(benchmark::State& state) {
    analyse(state, prose(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(BM_Analyse)->Arg(500)->Arg(2'000)->Arg(10'000)->Arg(50'000)->Unit(benchmark::kMicrosecond);

// Another text each time, as a server sees them: the tables' lines are then not where the text before left them.
void BM_AnalyseChanging(benchmark::State& state) {
    // 400 texts touch more than the caches of a core hold, several times over.
    std::vector<std::string> texts;
    for (std::uint64_t seed = 1; seed <= 400; ++seed) texts.push_back(prose(2'000, seed));
    std::size_t next = 0;
    for (auto _ : state) {
        const auto analysis = detector().analyse(texts[next]);
        TG_ASSERT(analysis.has_value());
        benchmark::DoNotOptimize(analysis->log_odds);
        next = (next + 1) % texts.size();
    }
    state.SetBytesProcessed(state.iterations() * 2'000);
}
BENCHMARK(BM_AnalyseChanging)->Unit(benchmark::kMicrosecond);

// The same with 2,000 bytes of each of the first 400 texts so long of the data set that TIDEGATE_TEXT_DATA names.
void BM_AnalyseDataset(benchmark::State& state) {
    const char* const path = std::getenv("TIDEGATE_TEXT_DATA");
    const auto data = text::load_dataset(tidegate::SystemDisk(), path == nullptr ? "" : path);
    std::vector<std::string> texts;
    if (data.has_value()) {
        for (const text::Sample& sample : data->samples) {
            std::size_t size = 2'000;
            if (sample.text.size() < size || texts.size() == 400) continue;
            while (!tidegate::utf8::is_valid(std::string_view(sample.text).substr(0, size))) --size;
            texts.push_back(sample.text.substr(0, size));
        }
    }
    if (texts.empty()) return state.SkipWithError("set TIDEGATE_TEXT_DATA to a .jsonl file of labelled texts");
    std::size_t next = 0;
    for (auto _ : state) {
        const auto analysis = detector().analyse(texts[next]);
        TG_ASSERT(analysis.has_value());
        benchmark::DoNotOptimize(analysis->log_odds);
        next = (next + 1) % texts.size();
    }
    state.counters["texts"] = static_cast<double>(texts.size());
}
BENCHMARK(BM_AnalyseDataset)->Unit(benchmark::kMicrosecond);

void BM_AnalyseOneWord(benchmark::State& state) {
    analyse(state, std::string(50'000, 'a'));
}
BENCHMARK(BM_AnalyseOneWord)->Unit(benchmark::kMicrosecond);

void BM_AnalyseCombiningMarks(benchmark::State& state) {
    std::string input;
    for (int i = 0; i < 25'000; ++i) input += "e\u0301";
    analyse(state, input);
}
BENCHMARK(BM_AnalyseCombiningMarks)->Unit(benchmark::kMicrosecond);

void BM_ReadOnly(benchmark::State& state) {
    const std::string input = prose(2'000);
    text::Reading reading;
    for (auto _ : state) {
        reading.read(input);
        benchmark::DoNotOptimize(reading.tokens().words);
    }
}
BENCHMARK(BM_ReadOnly)->Unit(benchmark::kMicrosecond);

void BM_MeasureOnly(benchmark::State& state) {
    text::Reading reading;
    reading.read(prose(2'000));
    for (auto _ : state) {
        for (const text::Window& window : reading.windows()) reading.measure(window);
        benchmark::DoNotOptimize(reading.features().style.data());
    }
}
BENCHMARK(BM_MeasureOnly)->Unit(benchmark::kMicrosecond);

void BM_Load(benchmark::State& state) {
    for (auto _ : state) {
        const auto loaded = text::TextDetector::embedded();
        benchmark::DoNotOptimize(loaded.has_value());
    }
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
