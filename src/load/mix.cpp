#include "load/mix.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/assert.h"
#include "base/strings.h"

namespace tidegate::load {
namespace {

// Reads of the record differ little from one another: so many of them, in turn.
constexpr std::uint64_t kReadVariants = 16;

}  // namespace

Mix::Mix(std::vector<Operation> operations, MixOptions options)
    : operations_(std::move(operations)), options_(std::move(options)) {
    TG_ASSERT(!operations_.empty() && options_.hot_keys > 0);
    double sum = 0;
    for (const Operation& operation : operations_) sum += operation.weight;
    double upto = 0;
    for (const Operation& operation : operations_) {
        TG_ASSERT(operation.weight > 0);
        upto += operation.weight / sum;
        upto_.push_back(upto);
    }
    upto_.back() = 1;
}

std::uint32_t Mix::pick(Dice& dice) const noexcept {
    const double at = dice.unit();
    std::uint32_t index = 0;
    while (index + 1 < upto_.size() && at >= upto_[index]) ++index;
    return index;
}

void Mix::make(std::uint32_t operation, std::uint64_t key, Payload& out) const {
    Dice dice(derive_seed(derive_seed(options_.seed, operation), key));
    out.clear();
    operations_[operation].make(dice, out);
}

void Mix::render(std::uint32_t operation, std::uint64_t key, Payload& scratch, std::string& out) const {
    make(operation, key, scratch);
    out.clear();
    out.append(scratch.method).append(" ").append(scratch.target).append(" HTTP/1.1\r\n").append(options_.fields);
    if (!scratch.content_type.empty() || !scratch.body.empty()) {
        out.append("Content-Type: ").append(scratch.content_type).append("\r\nContent-Length: ");
        out.append(std::to_string(scratch.body.size())).append("\r\n");
    }
    out.append("\r\n").append(scratch.body);
}

Draw::Draw(const Mix& mix, unsigned thread, unsigned threads)
    : mix_(mix),
      thread_(thread),
      threads_(threads),
      hot_(std::max<std::uint64_t>(1, mix.options().hot_keys / threads)),
      // Another sequence than that of the payloads.
      dice_(derive_seed(~mix.options().seed, thread)),
      asked_(mix.operations().size()) {}

Draw::One Draw::next() {
    One one{.operation = mix_.pick(dice_)};
    Asked& asked = asked_[one.operation];
    if (!mix_.operations()[one.operation].repeats) {
        one.key = asked.count++ % kReadVariants;
        return one;
    }
    if (asked.count > 0 && dice_.unit() < mix_.options().repeats) {
        const auto known = static_cast<double>(std::min(asked.count, hot_));
        const auto rank = static_cast<std::uint64_t>(std::exp(dice_.unit() * std::log(known + 1))) - 1;
        one.key = std::min(rank, std::min(asked.count, hot_) - 1);
        one.repeat = true;
    } else {
        one.key = asked.count++;
    }
    return one;
}

const std::string& Draw::bytes(const One& one) {
    Asked& asked = asked_[one.operation];
    const std::uint64_t keep = mix_.operations()[one.operation].repeats ? hot_ : kReadVariants;
    const std::uint64_t global = one.key * threads_ + thread_;
    if (one.key >= keep || (mix_.options().repeats == 0 && mix_.operations()[one.operation].repeats)) {
        mix_.render(one.operation, global, scratch_, fresh_);
        return fresh_;
    }
    if (asked.kept.size() <= one.key) asked.kept.resize(one.key + 1);
    std::string& kept = asked.kept[one.key];
    if (kept.empty()) mix_.render(one.operation, global, scratch_, kept);
    return kept;
}

Result<void> choose(std::vector<Operation>& operations, std::string_view words) {
    std::vector<Operation> chosen;
    for (const std::string_view word : split(words, ',')) {
        const std::size_t equals = word.find('=');
        const std::string_view name = word.substr(0, equals);
        const auto found = std::ranges::find(operations, name, &Operation::name);
        if (found == operations.end()) {
            std::string known;
            for (const Operation& operation : operations)
                known.append(known.empty() ? "" : ", ").append(operation.name);
            return fail(ErrorCode::kInvalidArgument, fmt::format("the target has no operation `{}`; it has {}", name,
                                                                 known.empty() ? "none" : known));
        }
        if (std::ranges::find(chosen, name, &Operation::name) != chosen.end()) {
            return fail(ErrorCode::kInvalidArgument, fmt::format("the operation `{}` is named twice", name));
        }
        chosen.push_back(*found);
        if (equals == std::string_view::npos) continue;
        const auto weight = parse_double(word.substr(equals + 1));
        if (!weight || !(*weight > 0) || *weight > 1'000'000) {
            return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` is no weight above 0", word.substr(equals + 1)));
        }
        chosen.back().weight = *weight;
    }
    operations = std::move(chosen);
    return {};
}

}  // namespace tidegate::load
