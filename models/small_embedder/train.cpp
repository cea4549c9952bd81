// Learns the weights of tidegate-hash-embed: how few of many documents hold a feature.
//
//   tidegate_train_small_embedder TEXTS.jsonl OUT     an object with `text` a line

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "model/text/small_embedder.h"

using tidegate::model::SmallEmbedder;

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "takes TEXTS.jsonl OUT\n");
        return 1;
    }
    tidegate::SystemDisk disk;
    const auto lines = disk.read(argv[1], 1U << 30U);
    if (!lines) {
        std::fprintf(stderr, "the texts cannot be read\n");
        return 1;
    }
    std::vector<std::uint32_t> documents(SmallEmbedder::kBuckets);
    std::vector<SmallEmbedder::Feature> found;
    std::vector<std::size_t> buckets;
    std::uint32_t count = 0;
    for (const std::string_view line : tidegate::split(*lines, '\n')) {
        const auto document = tidegate::json::parse(line);
        const auto text = document ? document->root().find("text") : std::nullopt;
        if (!text) continue;
        ++count;
        found.clear();
        buckets.clear();
        SmallEmbedder::features(text->as_string(), found);
        for (const auto& feature : found) buckets.push_back(SmallEmbedder::bucket(feature.hash));
        std::ranges::sort(buckets);
        const auto rest = std::ranges::unique(buckets);
        buckets.erase(rest.begin(), rest.end());
        for (const std::size_t bucket : buckets) ++documents[bucket];
    }
    // BM25's weight of a word; what no document holds has the highest.
    std::vector<std::uint8_t> weights(SmallEmbedder::kBuckets);
    const double highest = std::log(1.0 + (count + 0.5) / 0.5);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double held = documents[i];
        const double weight = std::log(1.0 + (count - held + 0.5) / (held + 0.5));
        weights[i] = static_cast<std::uint8_t>(std::lround(255.0 * weight / highest));
    }
    if (!disk.write_atomic(argv[2], SmallEmbedder::table_of(weights))) {
        std::fprintf(stderr, "the table cannot be written\n");
        return 1;
    }
    std::printf("%u documents\n", count);
    return 0;
}
