#include "services/provenance/text/baselines.h"

#include <zstd.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/assert.h"
#include "services/provenance/text/logistic.h"

namespace tidegate::provenance::text {
namespace {

constexpr int kCompressionLevel = 19;
constexpr std::size_t kPreludeBytes = 512U << 10U;  // A side; both sides get the same.

bool is_training_label(const Sample& sample) {
    // The rows of base language models are left out, as for the detector itself.
    return sample.label == Label::kHuman || (sample.label == Label::kAi && sample.slice != "wikipedia");
}

}  // namespace

CharBaseline::CharBaseline(const std::vector<Sample>& train) {
    SparseRows rows;
    for (const Sample& sample : train) {
        if (!is_training_label(sample)) continue;
        reading_.read(sample.text);
        for (const Window& window : reading_.windows()) {
            reading_.measure(window);
            const GramCounter& counter = reading_.counter(kCharHead);
            rows.begin_row(sample.label == Label::kAi ? 1 : 0, 1.0 / static_cast<double>(reading_.windows().size()));
            const double norm = counter.norm();
            for (const std::uint32_t slot : counter.slots()) {
                rows.add(slot, static_cast<float>(counter.weight(slot) / norm));
            }
        }
    }
    const std::size_t columns = std::size_t{1} << kHeadBits[kCharHead];
    const LogisticFit fit = fit_logistic(
        rows, {}, columns, {.l2 = 1e-6, .iterations_max = 60, .tolerance = 1e-3, .column_scale = {}, .prior = {}});
    double largest = 1e-9;
    for (const double weight : fit.weights) largest = std::max(largest, std::abs(weight));
    head_.bias = fit.bias;
    head_.scale = largest / 32767.0;
    head_.weights.resize(columns);
    for (std::size_t i = 0; i < columns; ++i) {
        head_.weights[i] = static_cast<std::int16_t>(std::lround(fit.weights[i] / head_.scale));
    }
}

double CharBaseline::score(std::string_view utf8) {
    reading_.read(utf8);
    double sum = 0;
    for (const Window& window : reading_.windows()) {
        reading_.measure(window);
        sum += head_.score(reading_.counter(kCharHead)) * std::max(1U, window.words);
    }
    return sum / std::max(1U, reading_.tokens().words);
}

void CompressionBaseline::FreeDictionary::operator()(ZSTD_CDict_s* dictionary) const noexcept {
    ZSTD_freeCDict(dictionary);
}
void CompressionBaseline::FreeContext::operator()(ZSTD_CCtx_s* context) const noexcept {
    ZSTD_freeCCtx(context);
}

CompressionBaseline::CompressionBaseline(const std::vector<Sample>& train) : context_(ZSTD_createCCtx()) {
    std::string preludes[2];
    for (const Sample& sample : train) {
        if (!is_training_label(sample)) continue;
        std::string& prelude = preludes[sample.label == Label::kAi ? 1 : 0];
        if (prelude.size() >= kPreludeBytes) continue;
        reading_.read(sample.text);
        prelude += reading_.tokens().lower;
        prelude += '\n';
    }
    for (std::string& prelude : preludes) prelude.resize(std::min(preludes[0].size(), preludes[1].size()));
    human_.reset(ZSTD_createCDict(preludes[0].data(), preludes[0].size(), kCompressionLevel));
    machine_.reset(ZSTD_createCDict(preludes[1].data(), preludes[1].size(), kCompressionLevel));
    TG_ASSERT(human_ && machine_ && context_);
}

CompressionBaseline::~CompressionBaseline() = default;

double CompressionBaseline::compressed_bytes(std::string_view text, ZSTD_CDict_s* dictionary) {
    buffer_.resize(ZSTD_compressBound(text.size()));
    const std::size_t size =
        ZSTD_compress_usingCDict(context_.get(), buffer_.data(), buffer_.size(), text.data(), text.size(), dictionary);
    TG_ASSERT(ZSTD_isError(size) == 0);
    return static_cast<double>(size);
}

double CompressionBaseline::score(std::string_view utf8) {
    reading_.read(utf8);
    const std::string_view text = reading_.tokens().lower;
    if (text.empty()) return 0;
    const double saved = compressed_bytes(text, human_.get()) - compressed_bytes(text, machine_.get());
    return 8.0 * saved / static_cast<double>(text.size());
}

}  // namespace tidegate::provenance::text
