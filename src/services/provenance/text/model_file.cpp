#include "services/provenance/text/model_file.h"

#include <bit>
#include <cmath>
#include <concepts>
#include <span>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace tidegate::provenance::text {
namespace {

constexpr std::string_view kMagic = "TGTEXTMD";
constexpr std::size_t kHeaderBytes = 8 + 4 + 4 + 32;
constexpr std::size_t kCharSlotBitsMax = 20;
constexpr std::size_t kStringBytesMax = 256;

class ModelWriter {
  public:
    template <std::unsigned_integral T>
    void put(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<char>(value >> (8 * i) & 0xFFU));
    }
    void number(double value) { put(std::bit_cast<std::uint64_t>(value)); }
    void numbers(std::span<const double> values) {
        for (const double value : values) number(value);
    }
    void text(std::string_view value) {
        put(static_cast<std::uint32_t>(value.size()));
        out_ += value;
    }
    std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

// After the first read outside the bytes everything reads as zero and ok() is false.
class ModelReader {
  public:
    explicit ModelReader(std::string_view bytes) : bytes_(bytes) {}

    template <std::unsigned_integral T>
    T get() {
        if (!has(sizeof(T))) return 0;
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            value |= std::uint64_t{static_cast<unsigned char>(bytes_[at_ + i])} << (8 * i);
        }
        at_ += sizeof(T);
        return static_cast<T>(value);
    }
    double number() {
        const double value = std::bit_cast<double>(get<std::uint64_t>());
        if (!std::isfinite(value)) ok_ = false;
        return value;
    }
    void numbers(std::span<double> values) {
        for (double& value : values) value = number();
    }
    std::string text() {
        const std::size_t size = get<std::uint32_t>();
        if (size > kStringBytesMax || !has(size)) {
            ok_ = false;
            return {};
        }
        std::string value(bytes_.substr(at_, size));
        at_ += size;
        return value;
    }
    bool has(std::size_t count) {
        if (!ok_ || bytes_.size() - at_ < count) ok_ = false;
        return ok_;
    }
    bool ok() const { return ok_; }
    bool finished() const { return ok_ && at_ == bytes_.size(); }

  private:
    std::string_view bytes_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

void write_base(const Model& model, ModelWriter& out) {
    for (const HashedHead& head : model.heads) {
        out.number(head.scale);
        out.number(head.bias);
        out.put(static_cast<std::uint32_t>(head.weights.size()));
        for (const std::int16_t weight : head.weights) out.put(static_cast<std::uint16_t>(weight));
    }
    out.put(static_cast<std::uint32_t>(model.style.weights.size()));
    out.numbers(model.style.mean);
    out.numbers(model.style.inverse_deviation);
    out.numbers(model.style.weights);
    out.number(model.style.bias);
    for (const std::uint32_t slot : model.chars.unigrams()) out.put(slot);
    out.put(static_cast<std::uint32_t>(std::countr_zero(model.chars.slots().size())));
    for (const std::uint32_t slot : model.chars.slots()) out.put(slot);
}

Result<void> read_base(ModelReader& in, Model& model) {
    const auto broken = [] { return fail(ErrorCode::kDataLoss, "the text model is truncated or has other tables"); };
    for (std::size_t h = 0; h < kHashedHeadCount; ++h) {
        HashedHead& head = model.heads[h];
        head.scale = in.number();
        head.bias = in.number();
        const std::size_t size = in.get<std::uint32_t>();
        if (!in.ok() || size != std::size_t{1} << kHeadBits[h] || !in.has(2 * size)) return broken();
        head.weights.resize(size);
        for (std::int16_t& weight : head.weights) weight = static_cast<std::int16_t>(in.get<std::uint16_t>());
    }
    const std::size_t style = in.get<std::uint32_t>();
    if (style != stylometry_size() || !in.has(3 * 8 * style)) return broken();
    for (std::vector<double>* column : {&model.style.mean, &model.style.inverse_deviation, &model.style.weights}) {
        column->resize(style);
        in.numbers(*column);
    }
    model.style.bias = in.number();
    std::vector<std::uint32_t> unigrams(256);
    for (std::uint32_t& slot : unigrams) slot = in.get<std::uint32_t>();
    const std::size_t bits = in.get<std::uint32_t>();
    if (bits > kCharSlotBitsMax || !in.has(4ULL << bits)) return broken();
    std::vector<std::uint32_t> slots(std::size_t{1} << bits);
    for (std::uint32_t& slot : slots) slot = in.get<std::uint32_t>();
    model.chars = CharModel(std::move(slots), std::move(unigrams));
    return {};
}

void write_above(const Model& model, ModelWriter& out) {
    out.numbers(model.stack.centre);
    out.numbers(model.stack.weight);
    out.numbers(model.stack.weight_by_length);
    out.number(model.stack.intercept);
    out.number(model.stack.intercept_by_length);
    const auto calibration = [&](const Calibration& c) {
        out.numbers(c.scale);
        out.numbers(c.offset);
    };
    calibration(model.calibration);
    for (const Calibration& replicate : model.replicates) calibration(replicate);
    for (const double value :
         {model.bands.ai_from, model.bands.human_below, model.bands.words_min, model.familiarity.function_words_min,
          model.familiarity.surprise_max, model.familiarity.style_distance_max, model.familiarity.code_symbols_max,
          model.familiarity.foreign_letters_max, model.segments.intercept}) {
        out.number(value);
    }
    out.numbers(model.segments.weight);
    for (const Range& range : model.human_ranges) {
        out.number(range.low);
        out.number(range.high);
    }
}

void read_above(ModelReader& in, Model& model) {
    in.numbers(model.stack.centre);
    in.numbers(model.stack.weight);
    in.numbers(model.stack.weight_by_length);
    model.stack.intercept = in.number();
    model.stack.intercept_by_length = in.number();
    const auto calibration = [&](Calibration& c) {
        in.numbers(c.scale);
        in.numbers(c.offset);
    };
    calibration(model.calibration);
    for (Calibration& replicate : model.replicates) calibration(replicate);
    for (double* value :
         {&model.bands.ai_from, &model.bands.human_below, &model.bands.words_min, &model.familiarity.function_words_min,
          &model.familiarity.surprise_max, &model.familiarity.style_distance_max, &model.familiarity.code_symbols_max,
          &model.familiarity.foreign_letters_max, &model.segments.intercept}) {
        *value = in.number();
    }
    in.numbers(model.segments.weight);
    for (Range& range : model.human_ranges) {
        range.low = in.number();
        range.high = in.number();
    }
}

}  // namespace

std::string serialise_model(const Model& model) {
    ModelWriter payload;
    payload.text(model.trained_on);
    payload.text(model.data_digest);
    write_base(model, payload);
    write_above(model, payload);
    const std::string body = payload.take();
    const Sha256 digest = sha256(body);
    ModelWriter header;
    header.put(kFormatVersion);
    header.put(kFeatureVersion);
    std::string out(kMagic);
    out += header.take();
    for (const std::uint8_t byte : digest) out.push_back(static_cast<char>(byte));
    return out + body;
}

Result<ParsedModel> parse_model(std::string_view bytes) {
    if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) {
        return fail(ErrorCode::kDataLoss, "this is no text model");
    }
    ModelReader header(bytes.substr(kMagic.size(), 8));
    if (header.get<std::uint32_t>() != kFormatVersion || header.get<std::uint32_t>() != kFeatureVersion) {
        return fail(ErrorCode::kDataLoss, "the text model is of another version of the format or the features");
    }
    const std::string_view body = bytes.substr(kHeaderBytes);
    const Sha256 digest = sha256(body);
    const std::string_view stored = bytes.substr(kMagic.size() + 8, digest.size());
    for (std::size_t i = 0; i < digest.size(); ++i) {
        if (static_cast<std::uint8_t>(stored[i]) != digest[i]) {
            return fail(ErrorCode::kDataLoss, "the text model does not match its hash");
        }
    }
    ParsedModel parsed;
    parsed.hash = to_hex(digest);
    ModelReader in(body);
    parsed.model.trained_on = in.text();
    parsed.model.data_digest = in.text();
    TG_CHECK(read_base(in, parsed.model));
    read_above(in, parsed.model);
    if (!in.finished()) return fail(ErrorCode::kDataLoss, "the text model is truncated or has other tables");
    return parsed;
}

}  // namespace tidegate::provenance::text
