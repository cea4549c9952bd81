#include "char_builder.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/hash.h"

namespace tidegate::provenance::text::training {
namespace {

struct Gram {
    std::uint64_t key = 0;
    std::array<std::uint32_t, 2> count{};      // By class.
    std::array<std::uint32_t, 2> followers{};  // Distinct next characters, by class.
    std::array<std::uint32_t, 2> total{};      // All next characters, by class.
    std::array<float, 2> probability{};        // Of the last character after the others, by class.
};

// Open addressing; doubles when 60 % full.
class GramTable {
  public:
    GramTable() : slots_(std::size_t{1} << 20U) {}

    Gram& at(std::uint64_t key) {
        if (used_ * 10 > slots_.size() * 6) grow();
        Gram& gram = probe(slots_, key);
        if (gram.key == 0) {
            gram.key = key;
            ++used_;
        }
        return gram;
    }
    const Gram* find(std::uint64_t key) {
        Gram& gram = probe(slots_, key);
        return gram.key == 0 ? nullptr : &gram;
    }
    std::vector<Gram>& slots() { return slots_; }

  private:
    static Gram& probe(std::vector<Gram>& slots, std::uint64_t key) {
        std::size_t i = mix64(key) & (slots.size() - 1);
        while (slots[i].key != 0 && slots[i].key != key) i = (i + 1) & (slots.size() - 1);
        return slots[i];
    }
    void grow() {
        std::vector<Gram> bigger(slots_.size() * 2);
        for (const Gram& gram : slots_) {
            if (gram.key != 0) probe(bigger, gram.key) = gram;
        }
        slots_ = std::move(bigger);
    }
    std::vector<Gram> slots_;
    std::size_t used_ = 0;
};

constexpr std::uint64_t kRootContext = 0xFFULL << 56U;

unsigned order_of(std::uint64_t key) {
    return static_cast<unsigned>(key >> 56U);
}

std::uint64_t context_of(std::uint64_t key) {
    const unsigned order = order_of(key);
    const std::uint64_t bytes = (key & 0xFF'FFFF'FFFF'FFFFULL) >> 8U;
    return order == 1 ? kRootContext : CharModel::key(bytes, order - 1);
}

// The same gram without its oldest character.
std::uint64_t shorter(std::uint64_t key) {
    return CharModel::key(key, order_of(key) - 1);
}

void count(const std::vector<std::string_view>& texts, const std::vector<bool>& ai, GramTable& table) {
    for (std::size_t t = 0; t < texts.size(); ++t) {
        const std::size_t side = ai[t] ? 1 : 0;
        std::uint64_t window = 0;
        for (std::size_t i = 0; i < texts[t].size(); ++i) {
            window = window << 8U | static_cast<unsigned char>(texts[t][i]);
            for (unsigned order = 1; order <= kCharModelOrder && order <= i + 1; ++order) {
                ++table.at(CharModel::key(window, order)).count[side];
            }
        }
    }
}

std::vector<std::uint64_t> sorted_keys(GramTable& table) {
    std::vector<std::uint64_t> keys;
    for (const Gram& gram : table.slots()) {
        if (gram.key != 0 && gram.key != kRootContext) keys.push_back(gram.key);
    }
    std::ranges::sort(keys);  // The order is in the top byte: shorter grams come first.
    return keys;
}

void interpolate(const std::vector<std::uint64_t>& keys, GramTable& table) {
    table.at(kRootContext);
    for (const std::uint64_t key : keys) {
        const std::array<std::uint32_t, 2> counts = table.find(key)->count;
        Gram& context = table.at(context_of(key));
        for (std::size_t side = 0; side < 2; ++side) {
            context.total[side] += counts[side];
            context.followers[side] += counts[side] > 0 ? 1 : 0;
        }
    }
    for (const std::uint64_t key : keys) {
        const Gram context = *table.find(context_of(key));
        std::array<float, 2> below = {1.0F / 256, 1.0F / 256};
        if (order_of(key) > 1) {
            // The shorter gram exists: every text that holds this one holds it too.
            if (const Gram* gram = table.find(shorter(key)); gram != nullptr) below = gram->probability;
        }
        Gram& gram = table.at(key);
        for (std::size_t side = 0; side < 2; ++side) {
            const auto followers = static_cast<double>(context.followers[side]);
            const auto total = static_cast<double>(context.total[side]);
            const double kept = total + followers;
            const double value =
                kept > 0 ? (gram.count[side] + followers * static_cast<double>(below[side])) / kept : below[side];
            gram.probability[side] = static_cast<float>(value);
        }
    }
}

std::uint32_t threshold(const std::vector<std::uint64_t>& keys, GramTable& table, std::size_t room) {
    std::vector<std::size_t> grams_with(256, 0);
    for (const std::uint64_t key : keys) {
        const Gram* gram = table.find(key);
        if (order_of(key) > 1) ++grams_with[std::min<std::uint32_t>(255, gram->count[0] + gram->count[1])];
    }
    std::size_t sum = 0;
    for (std::uint32_t least = 255; least > 2; --least) {
        sum += grams_with[least];
        if (sum + grams_with[least - 1] > room) return least;
    }
    return 2;  // A gram seen once says nothing about its class.
}

}  // namespace

CharModel build_char_model(const std::vector<std::string_view>& texts, const std::vector<bool>& ai,
                           unsigned slot_bits) {
    GramTable table;
    count(texts, ai, table);
    const std::vector<std::uint64_t> keys = sorted_keys(table);
    interpolate(keys, table);
    std::vector<std::uint32_t> slots(std::size_t{1} << slot_bits);
    // A character never seen: no opinion, and as surprising as a uniform choice of 256.
    std::vector<std::uint32_t> unigrams(256, CharModel::pack(0, 0, std::log(256.0)));
    const std::uint32_t least = threshold(keys, table, slots.size() * 7 / 10);
    for (const std::uint64_t key : keys) {
        const Gram* gram = table.find(key);
        const double human = static_cast<double>(gram->probability[0]);
        const double machine = static_cast<double>(gram->probability[1]);
        const double ratio = std::log(machine / human);
        const double surprise = -std::log(0.5 * (human + machine));
        if (order_of(key) == 1)
            unigrams[key & 0xFFU] = CharModel::pack(0, ratio, surprise);
        else if (gram->count[0] + gram->count[1] >= least)
            CharModel::insert(slots, key, ratio, surprise);
    }
    return {std::move(slots), std::move(unigrams)};
}

}  // namespace tidegate::provenance::text::training
