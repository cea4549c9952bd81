// How long our tokenizer takes for a file of texts: bench/tokenizer.py runs it beside the Python package.
//
// bench_tokenizer TOKENIZER.json TEXTS ROUNDS: a text a line; prints the seconds of each round, with and without offsets, and the tokens.

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "model/text/tokenizer.h"

namespace {

using tidegate::model::Encoding;
using tidegate::model::Tokenizer;

double seconds_of(const Tokenizer& tokenizer, const std::vector<std::string>& texts, bool with_offsets,
                  std::size_t& tokens) {
    Encoding encoding;
    tokens = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string& text : texts) {
        if (!tokenizer.encode(text, encoding, {.with_offsets = with_offsets})) return -1;
        tokens += encoding.size();
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int refuse(std::string_view reason) {
    std::fprintf(stderr, "bench_tokenizer: %.*s\n", static_cast<int>(reason.size()), reason.data());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return refuse("takes TOKENIZER.json TEXTS.jsonl ROUNDS");
    const tidegate::SystemDisk disk;
    const auto file = disk.read(argv[1], Tokenizer::kFileMax);
    const auto lines = disk.read(argv[2], 1U << 28U);
    const auto rounds = tidegate::parse_u64(argv[3]);
    if (!file || !lines || !rounds) return refuse("cannot read what it was given");
    const auto tokenizer = Tokenizer::parse(*file);
    if (!tokenizer) return refuse(tokenizer.error().message);
    std::vector<std::string> texts;
    for (const std::string_view line : tidegate::split(*lines, '\n')) {
        if (line.empty()) continue;
        const auto document = tidegate::json::parse(line);
        if (!document) return refuse("a line is no JSON");
        texts.emplace_back(document->root().as_string());
    }
    for (std::uint64_t round = 0; round < *rounds; ++round) {
        std::size_t tokens = 0;
        const double with_offsets = seconds_of(*tokenizer, texts, true, tokens);
        const double ids_only = seconds_of(*tokenizer, texts, false, tokens);
        std::printf("%.9f %.9f %zu\n", with_offsets, ids_only, tokens);
    }
    return 0;
}
