// How well tidegate-hash-embed finds documents: nDCG@10 and recall@100 by exact scan over a collection in BEIR's layout.
//
//   tidegate_eval_small_embedder FOLDER dev           corpus.jsonl, queries.dev.jsonl, qrels/dev.tsv

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "model/text/small_embedder.h"

namespace {

using tidegate::model::SmallEmbedder;
using Vector = std::array<float, SmallEmbedder::kDimensions>;

struct Text {
    std::string id;
    Vector vector{};
};

std::vector<Text> read(const std::string& path) {
    std::vector<Text> texts;
    const auto lines = tidegate::SystemDisk().read(path, 1U << 30U);
    for (const std::string_view line : tidegate::split(lines ? std::string_view(*lines) : "", '\n')) {
        const auto document = tidegate::json::parse(line);
        if (!document) continue;
        const auto root = document->root();
        std::string text;
        for (const std::string_view name : {"title", "text"}) {
            if (const auto part = root.find(name)) text.append(part->as_string()).append(" ");
        }
        Text& made = texts.emplace_back(Text{std::string(root.find("_id")->as_string()), {}});
        if (!SmallEmbedder::built_in().embed(text, made.vector)) return {};
    }
    return texts;
}

using Judgements = std::map<std::string, std::map<std::string, double, std::less<>>, std::less<>>;

Judgements read_judgements(const std::string& path) {
    Judgements made;
    const auto lines = tidegate::SystemDisk().read(path, 1U << 28U);
    for (const std::string_view line : tidegate::split(lines ? std::string_view(*lines) : "", '\n')) {
        const auto cells = tidegate::split(line, '\t');
        const auto gain = cells.size() == 3 ? tidegate::parse_double(tidegate::trim(cells[2])) : std::nullopt;
        if (gain && *gain > 0) made[std::string(cells[0])][std::string(cells[1])] = *gain;
    }
    return made;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "takes FOLDER and dev or heldout\n");
        return 1;
    }
    const std::string folder = argv[1];
    const std::string part = argv[2];
    const auto corpus = read(folder + "/corpus.jsonl");
    const auto queries = read(folder + "/queries." + part + ".jsonl");
    const auto judgements = read_judgements(folder + "/qrels/" + part + ".tsv");
    double ndcg = 0;
    double recall = 0;
    std::size_t judged = 0;
    std::vector<std::pair<float, std::size_t>> ranked(corpus.size());
    for (const Text& query : queries) {
        const auto wanted = judgements.find(query.id);
        if (wanted == judgements.end() || corpus.size() < 100) continue;
        ++judged;
        for (std::size_t i = 0; i < corpus.size(); ++i) {
            float score = 0;
            for (std::size_t k = 0; k < query.vector.size(); ++k) score += query.vector[k] * corpus[i].vector[k];
            ranked[i] = {-score, i};
        }
        std::ranges::partial_sort(ranked, ranked.begin() + 100);
        std::vector<double> ideal;
        for (const auto& [id, gain] : wanted->second) ideal.push_back(gain);
        std::ranges::sort(ideal, std::greater<>());
        double got = 0;
        double best = 0;
        double found = 0;
        for (std::size_t rank = 0; rank < 100; ++rank) {
            const auto hit = wanted->second.find(corpus[ranked[rank].second].id);
            if (hit != wanted->second.end()) found += 1;
            if (rank >= 10) continue;
            const double discount = std::log2(static_cast<double>(rank) + 2);
            if (hit != wanted->second.end()) got += hit->second / discount;
            if (rank < ideal.size()) best += ideal[rank] / discount;
        }
        ndcg += got / best;
        recall += found / static_cast<double>(ideal.size());
    }
    if (judged == 0) {
        std::fprintf(stderr, "nothing to judge in %s\n", folder.c_str());
        return 1;
    }
    std::printf("%zu documents, %zu queries: nDCG@10 %.4f, recall@100 %.4f\n", corpus.size(), judged,
                ndcg / static_cast<double>(judged), recall / static_cast<double>(judged));
    return 0;
}
