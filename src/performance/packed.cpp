// Samples as bytes: one alone (pack), many in a block (pack_block).
#include <zstd.h>

#include <algorithm>
#include <array>

#include "performance/sample.h"

namespace tidegate::performance {
namespace {

constexpr std::uint64_t kFirstForm = 1;
constexpr std::uint64_t kForm = 2;
constexpr std::uint64_t kBlockForm = 1;
constexpr std::size_t kParts = 3;
// Level 12 makes blocks 2.6 % smaller in seven times the time (bench/performance_store_bench.cpp).
constexpr int kBlockLevel = 3;
// Of one part, unpacked: a hundred times what ten busy routes make in five minutes.
constexpr std::uint64_t kPartBytesMax = 16ULL * 1024 * 1024;

/// Small whether a little more or a little less.
std::uint64_t folded(std::uint64_t value, std::uint64_t expected) noexcept {
    const auto difference = static_cast<std::int64_t>(value - expected);
    return (static_cast<std::uint64_t>(difference) << 1U) ^ static_cast<std::uint64_t>(difference >> 63U);
}
std::uint64_t unfolded(std::uint64_t folded, std::uint64_t expected) noexcept {
    return expected + ((folded >> 1U) ^ (~(folded & 1U) + 1));
}

class SamplePacker {
  public:
    SamplePacker(const Writers& out, Names& names) : out_(out), names_(names) {}

    /// `before`: the sample of the block before this one; null where there is none.
    void add(const Sample& sample, const Sample* before) {
        out_.amounts.whole(static_cast<std::uint64_t>(sample.from));
        out_.amounts.whole(static_cast<std::uint64_t>(std::max<std::int64_t>(0, sample.to - sample.from)));
        out_.amounts.whole(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(std::max(sample.covered, Duration{})).count()));
        out_.shape.whole(sample.values.size());
        for (const auto& [name, value] : sample.values) {
            out_.shape.whole(names_.number(name));
            add_value(value, before == nullptr ? nullptr : before->find(name));
        }
        out_.shape.whole(sample.times.size());
        for (const auto& [name, distribution] : sample.times) {
            out_.shape.whole(names_.number(name));
            distribution.write(out_);
        }
        out_.shape.whole(sample.routes.size());
        for (const RouteSample& route : sample.routes) add_route(route);
    }

  private:
    void add_value(const Value& value, const Value* before) {
        out_.shape.whole(value.samples);
        if (before != nullptr && *before == value) return out_.amounts.same_number();
        out_.amounts.number(value.sum);
        if (value.samples == 1) return;
        out_.amounts.number(value.least);
        out_.amounts.number(value.most);
        out_.amounts.number(value.last);
    }
    void add_route(const RouteSample& route) {
        out_.shape.whole(names_.number(route.method));
        out_.shape.whole(names_.number(route.route));
        out_.counts.whole(route.requests);
        out_.shape.whole(route.errors);
        out_.counts.whole(route.slow);
        route.latency.write(out_);
        out_.shape.whole(route.stages.size());
        for (const StageShare& stage : route.stages) {
            out_.shape.whole(names_.number(stage.stage));
            // Nearly always the same number.
            out_.shape.whole(folded(stage.requests, route.requests));
            out_.amounts.whole(stage.ns);
            out_.amounts.whole(stage.slow_ns);
        }
    }

    const Writers out_;
    Names& names_;
};

class SampleReader {
  public:
    SampleReader(const Readers& in, const Names& names, std::uint64_t form) : in_(in), names_(names), form_(form) {}

    Sample next(const Sample* before) {
        Sample out;
        out.from = static_cast<UnixMillis>(in_.amounts.whole());
        out.to = static_cast<UnixMillis>(static_cast<std::uint64_t>(out.from) + in_.amounts.whole());
        out.covered = std::chrono::microseconds(in_.amounts.whole() & kMicrosMax);
        for (std::size_t left = in_.shape.count(); left > 0 && !failed(); --left) {
            const std::string name = word();
            out.values.emplace(name, value(before == nullptr ? nullptr : before->find(name)));
        }
        for (std::size_t left = in_.shape.count(); left > 0 && !failed(); --left) {
            const std::string name = word();
            out.times.emplace(name, Distribution::read(in_, form_));
        }
        for (std::size_t left = in_.shape.count(); left > 0 && !failed(); --left) out.routes.push_back(route());
        return out;
    }
    bool failed() const noexcept { return wrong_ || in_.shape.failed() || in_.counts.failed() || in_.amounts.failed(); }

  private:
    static constexpr std::uint64_t kMicrosMax = (1ULL << 50U) - 1;  // 35 years: in nanoseconds it still fits.

    std::string word() {
        const std::string* const name = names_.name(in_.shape.whole());
        wrong_ = wrong_ || name == nullptr;
        return name == nullptr ? std::string() : *name;
    }
    double number() {
        if (form_ == kFirstForm) return in_.amounts.real();
        const auto found = in_.amounts.number();
        wrong_ = wrong_ || !found;
        return found.value_or(0);
    }
    Value value(const Value* before) {
        Value out;
        out.samples = in_.shape.whole();
        if (form_ == kFirstForm) {
            out.sum = in_.amounts.real();
        } else if (const auto sum = in_.amounts.number()) {
            out.sum = *sum;
        } else {
            wrong_ = wrong_ || before == nullptr;
            return before == nullptr ? out : *before;
        }
        if (out.samples == 1) return Value::of(out.sum);
        out.least = number();
        out.most = number();
        out.last = number();
        return out;
    }
    RouteSample route() {
        RouteSample out;
        out.method = word();
        out.route = word();
        out.requests = in_.counts.whole();
        out.errors = in_.shape.whole();
        out.slow = in_.counts.whole();
        out.latency = Distribution::read(in_, form_);
        for (std::size_t left = in_.shape.count(); left > 0 && !failed(); --left) {
            StageShare stage;
            stage.stage = word();
            const std::uint64_t requests = in_.shape.whole();
            stage.requests = form_ == kFirstForm ? requests : unfolded(requests, out.requests);
            stage.ns = in_.amounts.whole();
            stage.slow_ns = in_.amounts.whole();
            out.stages.push_back(std::move(stage));
        }
        return out;
    }

    const Readers in_;
    const Names& names_;
    const std::uint64_t form_;
    bool wrong_ = false;
};

std::unexpected<Error> no_sample() {
    return fail(ErrorCode::kDataLoss, "a stored performance sample cannot be read");
}

/// A part of a block, compressed: its size, the size of its frame, the frame.
Result<void> append_part(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> part) {
    std::vector<std::uint8_t> frame(ZSTD_compressBound(part.size()));
    const std::size_t size = ZSTD_compress(frame.data(), frame.size(), part.data(), part.size(), kBlockLevel);
    if (part.size() > kPartBytesMax) return fail(ErrorCode::kTooLarge, "performance samples are too large for a block");
    if (ZSTD_isError(size) != 0U) return fail(ErrorCode::kInternal, "performance samples could not be compressed");
    frame.resize(size);
    Writer head;
    head.whole(part.size());
    head.whole(frame.size());
    out.insert(out.end(), head.bytes().begin(), head.bytes().end());
    out.insert(out.end(), frame.begin(), frame.end());
    return {};
}

std::optional<std::vector<std::uint8_t>> read_part(Reader& in) {
    const std::uint64_t size = in.whole();
    const std::span<const std::uint8_t> frame = in.bytes(in.count());
    if (in.failed() || size > kPartBytesMax) return std::nullopt;
    std::vector<std::uint8_t> out(static_cast<std::size_t>(size));
    const std::size_t got = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
    if (ZSTD_isError(got) != 0U || got != out.size()) return std::nullopt;
    return out;
}

}  // namespace

std::vector<std::uint8_t> pack(const Sample& sample, Names& names) {
    Writer out;
    out.whole(kForm);
    SamplePacker({.shape = out, .counts = out, .amounts = out}, names).add(sample, nullptr);
    return out.bytes();
}

Result<Sample> unpack(std::span<const std::uint8_t> bytes, const Names& names) {
    Reader in(bytes);
    const std::uint64_t form = in.whole();
    if (form != kFirstForm && form != kForm) return no_sample();
    SampleReader reader({.shape = in, .counts = in, .amounts = in}, names, form);
    Sample out = reader.next(nullptr);
    if (reader.failed() || !in.at_end()) return no_sample();
    return out;
}

Result<std::vector<std::uint8_t>> pack_block(std::span<const Sample> samples, Names& names) {
    std::array<Writer, kParts> parts;
    SamplePacker packer({.shape = parts[0], .counts = parts[1], .amounts = parts[2]}, names);
    const Sample* before = nullptr;
    for (const Sample& sample : samples) {
        packer.add(sample, before);
        before = &sample;
    }
    Writer head;
    head.whole(kBlockForm);
    head.whole(samples.size());
    std::vector<std::uint8_t> out = head.bytes();
    for (const Writer& part : parts) TG_CHECK(append_part(out, part.bytes()));
    return out;
}

Result<std::vector<Sample>> unpack_block(std::span<const std::uint8_t> bytes, const Names& names) {
    Reader in(bytes);
    if (in.whole() != kBlockForm) return no_sample();
    const std::uint64_t count = in.whole();
    std::array<std::vector<std::uint8_t>, kParts> parts;
    for (auto& part : parts) {
        auto read = read_part(in);
        if (!read) return no_sample();
        part = *std::move(read);
    }
    // Each sample takes a byte of its shape at least.
    if (!in.at_end() || count > parts[0].size()) return no_sample();
    Reader shape(parts[0]);
    Reader counts(parts[1]);
    Reader amounts(parts[2]);
    SampleReader reader({.shape = shape, .counts = counts, .amounts = amounts}, names, kForm);
    std::vector<Sample> out;
    for (std::uint64_t left = count; left > 0 && !reader.failed(); --left) {
        Sample next = reader.next(out.empty() ? nullptr : &out.back());
        out.push_back(std::move(next));
    }
    if (reader.failed() || !shape.at_end() || !counts.at_end() || !amounts.at_end()) return no_sample();
    return out;
}

}  // namespace tidegate::performance
