#include "rows.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/random.h"

namespace tidegate::provenance::text::training {
namespace {

constexpr std::size_t kWindowsMax = 3;

bool is_base_model(const Sample& sample) {
    return sample.label == Label::kAi && sample.slice == "wikipedia";
}

// Byte positions where a word (run of non-space) begins.
std::vector<std::size_t> word_starts(std::string_view text) {
    std::vector<std::size_t> starts;
    bool space = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool now = text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r';
        if (space && !now) starts.push_back(i);
        space = now;
    }
    return starts;
}

double uniform(Random& random) {
    return static_cast<double>(random.next_u64() >> 11U) * 0x1p-53;
}

void add_head_row(const GramCounter& counter, bool ai, double weight, SparseRows& out) {
    out.begin_row(ai ? 1 : 0, weight);
    const double norm = counter.norm();
    for (const std::uint32_t slot : counter.slots()) out.add(slot, static_cast<float>(counter.weight(slot) / norm));
}

// (documents of the domain)^-balance, scaled to a mean of 1.
std::vector<double> document_weights(const std::vector<Document>& documents, double balance) {
    std::map<std::string, double> count;
    for (const Document& document : documents) count[document.domain] += 1;
    std::vector<double> weights;
    double sum = 0;
    for (const Document& document : documents) {
        weights.push_back(std::pow(count[document.domain], -balance));
        sum += weights.back();
    }
    for (double& weight : weights) weight *= static_cast<double>(documents.size()) / sum;
    return weights;
}

}  // namespace

std::vector<Document> documents_of(const std::vector<Sample>& samples) {
    std::vector<Document> documents;
    for (const Sample& sample : samples) {
        if (is_base_model(sample)) continue;
        if (sample.label != Label::kHuman && sample.label != Label::kAi) continue;
        documents.push_back({sample.text, sample.prompt_id.empty() ? sample.id : sample.prompt_id, sample.domain,
                             sample.label == Label::kAi});
    }
    return documents;
}

std::vector<Row> make_rows(const std::vector<Document>& documents, const RowOptions& options) {
    std::vector<Row> rows;
    for (std::uint32_t d = 0; d < documents.size(); ++d) rows.push_back({documents[d].text, d, true});
    SeededRandom random(options.seed);
    for (std::uint32_t d = 0; d < documents.size(); ++d) {
        const std::string& text = documents[d].text;
        const std::vector<std::size_t> starts = word_starts(text);
        for (unsigned c = 0; c < options.crops; ++c) {
            const double low = options.words_min;
            const double high = kWindowWordsMax;
            const auto length = static_cast<std::size_t>(low * std::pow(high / low, uniform(random)));
            const double place = uniform(random);
            if (starts.size() <= length) continue;
            const auto first = static_cast<std::size_t>(place * static_cast<double>(starts.size() - length));
            const std::size_t end = first + length < starts.size() ? starts[first + length] : text.size();
            rows.push_back({text.substr(starts[first], end - starts[first]), d, false});
        }
    }
    return rows;
}

FeatureTable extract_features(const std::vector<Document>& documents, const std::vector<Row>& rows,
                              double domain_balance) {
    const std::vector<double> weights = document_weights(documents, domain_balance);
    FeatureTable table;
    Reading reading;
    std::vector<double> windows_of(documents.size(), 0);
    for (int pass = 0; pass < 2; ++pass) {  // The first pass counts, so that every document weighs the same.
        for (const Row& row : rows) {
            reading.read(row.text);
            const std::size_t count = std::min(kWindowsMax, reading.windows().size());
            if (pass == 0) {
                windows_of[row.document] += static_cast<double>(count);
                continue;
            }
            const bool ai = documents[row.document].ai;
            const double weight = weights[row.document] / windows_of[row.document];
            for (std::size_t w = 0; w < count; ++w) {
                const Window& window = reading.windows()[w];
                reading.measure(window);
                for (std::size_t h = 0; h < kHashedHeadCount; ++h) {
                    add_head_row(reading.counter(h), ai, weight, table.heads[h]);
                }
                table.style.begin_row(ai ? 1 : 0, weight);
                const std::vector<double>& style = reading.features().style;
                for (std::uint32_t i = 0; i < style.size(); ++i) table.style.add(i, static_cast<float>(style[i]));
                table.document.push_back(row.document);
                table.lower.emplace_back(row.whole ? reading.lower_of(window) : std::string_view());
            }
        }
    }
    return table;
}

}  // namespace tidegate::provenance::text::training
