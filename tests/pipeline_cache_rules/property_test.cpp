// Laws that hold for every answer, tried on many made-up ones: what restricts always wins, order and splitting do not matter, the
// arithmetic of age agrees with a second, plain writing of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "pipeline/cache/rules/structured_field.h"
#include "pipeline/cache/rules/vary.h"
#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

constexpr int kRounds = 3000;

/// The same stream for every run: a failure comes back.
class Dice {
  public:
    std::size_t below(std::size_t bound) { return engine_() % bound; }
    bool flip() { return below(2) == 0; }
    template <class T, std::size_t N>
    const T& one_of(const std::array<T, N>& choices) {
        return choices[below(N)];
    }

  private:
    std::minstd_rand engine_{20260301};
};

constexpr std::array<std::string_view, 20> kDirectives{"max-age=5",
                                                       "max-age=0",
                                                       "max-age=x",
                                                       "s-maxage=7",
                                                       "public",
                                                       "no-cache",
                                                       "must-revalidate",
                                                       "proxy-revalidate",
                                                       "stale-while-revalidate=3",
                                                       "stale-if-error=9",
                                                       "immutable",
                                                       "x=\"max-age=1, y\"",
                                                       "no-cache=\"x-a\"",
                                                       "private=\"x-b\"",
                                                       "must-understand",
                                                       "unknown=1",
                                                       "max-age=\"6\"",
                                                       "s-maxage=0",
                                                       "no-transform",
                                                       "MAX-AGE=99999999999"};

std::vector<std::string> some_directives(Dice& dice) {
    std::vector<std::string> out;
    for (std::size_t i = dice.below(5); i > 0; --i) out.emplace_back(dice.one_of(kDirectives));
    return out;
}

void add_lines(Dice& dice, const std::vector<std::string>& directives, http::Headers& out) {
    std::string line;
    for (const std::string& directive : directives) {
        if (!line.empty() && dice.flip()) {
            out.add(dice.flip() ? "Cache-Control" : "cache-control", line);
            line.clear();
        }
        if (!line.empty()) line += dice.flip() ? "," : " ,\t";
        line += directive;
    }
    if (!directives.empty()) out.add("CACHE-CONTROL", line);
}

http::Headers some_answer(Dice& dice, const std::vector<std::string>& directives) {
    http::Headers out;
    add_lines(dice, directives, out);
    if (dice.flip()) out.add("Expires", date(static_cast<std::int64_t>(dice.below(40)) - 10));
    if (dice.flip()) out.add("Date", date(static_cast<std::int64_t>(dice.below(20)) - 10));
    if (dice.flip()) out.add("Age", std::to_string(dice.below(12)));
    if (dice.flip()) out.add("ETag", "\"a\"");
    if (dice.flip()) out.add("Last-Modified", date(-1000));
    return out;
}

RoutePolicy some_policy(Dice& dice) {
    RoutePolicy policy;
    policy.ttl_use = dice.one_of(std::array{TtlUse::kNone, TtlUse::kSilent, TtlUse::kForce});
    policy.ttl_s = 60;
    policy.heuristics = dice.flip();
    policy.stale_when_gone = dice.flip();
    policy.store_unfresh = dice.flip();
    policy.stale_while_revalidate_s = dice.flip() ? 30 : kAbsent;
    if (dice.flip()) policy.wishes = ClientWishes::all();
    return policy;
}

TEST(Property, NoStoreAndPrivateAlwaysWin) {
    Dice dice;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<std::string> directives = some_directives(dice);
        std::erase(directives, "must-understand");
        const auto place = directives.begin() + static_cast<std::ptrdiff_t>(dice.below(directives.size() + 1));
        directives.insert(place, dice.flip() ? "no-store" : "Private");
        const http::Headers answer = some_answer(dice, directives);
        ASSERT_FALSE(store(answer, some_policy(dice)).store()) << sf::joined(answer, "cache-control");
    }
}

TEST(Property, OrderAndSplittingOfDirectivesDoNotMatter) {
    Dice dice;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<std::string> directives = some_directives(dice);
        http::Headers one;
        http::Headers other;
        add_lines(dice, directives, one);
        std::ranges::reverse(directives);
        add_lines(dice, directives, other);
        const RoutePolicy policy = some_policy(dice);
        StoreDecision a = store(one, policy);
        StoreDecision b = store(other, policy);
        std::ranges::sort(a.strip);
        std::ranges::sort(b.strip);
        ASSERT_EQ(a.refusal, b.refusal) << sf::joined(one, "cache-control");
        ASSERT_EQ(a.times, b.times) << sf::joined(one, "cache-control");
        ASSERT_EQ(a.flags, b.flags);
        ASSERT_EQ(a.strip, b.strip);
    }
}

TEST(Property, ARestrictionNeverMakesAnAnswerLiveLonger) {
    Dice dice;
    constexpr std::array<std::string_view, 5> kRestrictions{"no-cache", "must-revalidate", "proxy-revalidate",
                                                            "max-age=0", "s-maxage=0"};
    for (int round = 0; round < kRounds; ++round) {
        const std::vector<std::string> directives = some_directives(dice);
        std::vector<std::string> more = directives;
        more.emplace_back(dice.one_of(kRestrictions));
        RoutePolicy policy;
        const http::Headers lax = some_answer(dice, directives);
        http::Headers strict = lax;
        strict.add("Cache-Control", more.back());
        for (const std::int64_t after_s : {0, 1, 4, 6, 8, 30}) {
            // s-maxage beats max-age, so max-age=0 says nothing beside it; that case is the exception.
            if (more.back() == "max-age=0" && sf::joined(lax, "cache-control").find("s-maxage") != std::string::npos)
                continue;
            if (reused(strict, after_s, policy)) {
                ASSERT_TRUE(reused(lax, after_s, policy)) << sf::joined(strict, "cache-control");
            }
        }
    }
}

TEST(Property, AgeAgreesWithAPlainWritingOfTheFormulas) {
    Dice dice;
    for (int round = 0; round < kRounds; ++round) {
        const auto age_value = static_cast<std::int64_t>(dice.below(100));
        const auto date_back = static_cast<std::int64_t>(dice.below(200)) - 100;
        const auto delay = static_cast<std::int64_t>(dice.below(10));
        const auto resident = static_cast<std::int64_t>(dice.below(300));
        const auto lifetime = static_cast<std::int64_t>(dice.below(400));
        const http::Headers answer =
            headers({{"Cache-Control", "stale-if-error=1, max-age=" + std::to_string(lifetime)},
                     {"Age", std::to_string(age_value)},
                     {"Date", date(-date_back)}});
        const RequestFacts request = get();
        const StoreDecision kept = storable({request, "/", kStart - delay * 1000, kStart}, {200, answer}, {});
        // RFC 9111, 4.2.3, in whole seconds.
        const std::int64_t apparent_age = std::max<std::int64_t>(0, date_back);
        const std::int64_t corrected_age_value = age_value + delay;
        const std::int64_t current_age = std::max(apparent_age, corrected_age_value) + resident;
        const UnixMillis now = kStart + resident * 1000;
        ASSERT_EQ(age_s(kept.times, now), current_age);
        ASSERT_EQ(is_fresh(kept.times, now), lifetime > current_age);
        ASSERT_EQ(ttl_s(kept.times, now), lifetime - current_age);
    }
}

TEST(Property, AgeNeverFallsWhileTimePasses) {
    Dice dice;
    for (int round = 0; round < 200; ++round) {
        const StoreDecision kept = store(some_answer(dice, {"max-age=5", "stale-if-error=5"}));
        std::uint32_t last = 0;
        for (UnixMillis now = kStart - 5000; now < kStart + 20'000; now += 333) {
            ASSERT_GE(age_s(kept.times, now), last);
            last = age_s(kept.times, now);
        }
    }
}

TEST(Property, AVariantFitsTheRequestItWasMadeFor) {
    Dice dice;
    constexpr std::array<std::string_view, 6> kNames{
        "Accept-Encoding", "Accept-Language", "Accept", "Cookie", "X-A", "X-B"};
    constexpr std::array<std::string_view, 9> kValues{
        "", "a", "a, b", "b;q=0.5, a", "\"a, b\"", "gzip", "*;q=0, x-gzip", "A , B", "x=\"y"};
    for (int round = 0; round < kRounds; ++round) {
        http::Headers request;
        std::string vary;
        for (std::size_t i = dice.below(4); i > 0; --i)
            request.add(dice.one_of(kNames), dice.one_of(kValues).substr(0, 12));
        for (std::size_t i = dice.below(4); i > 0; --i) vary += std::string(dice.one_of(kNames)) + ",";
        RoutePolicy policy;
        policy.select_language = dice.flip();
        const VaryNames names = read_vary(headers({{"Vary", vary}}));
        std::string selecting;
        selecting_text(names.names, request, policy, selecting);
        ASSERT_TRUE(variant_fits({names.names, selecting, ""}, request, policy)) << vary;
    }
}

TEST(Property, WhatAStructuredFieldSaysSurvivesWriting) {
    Dice dice;
    constexpr std::array<std::string_view, 14> kPieces{"a", "*b", "=", "1", "-2.5", "\"x\\\"\"", ";",
                                                       ",", " ",  "(", ")", "?1",   ":aGk=:",    "@5"};
    int valid = 0;
    for (int round = 0; round < kRounds * 10; ++round) {
        std::string text;
        for (std::size_t i = dice.below(9); i > 0; --i) text += dice.one_of(kPieces);
        if (const auto list = sf::parse_list(text)) {
            ++valid;
            const auto written = sf::serialize(*list);
            ASSERT_TRUE(written) << text;
            ASSERT_EQ(sf::parse_list(*written), list) << text << " / " << *written;
        }
        if (const auto dictionary = sf::parse_dictionary(text)) {
            const auto written = sf::serialize(*dictionary);
            ASSERT_TRUE(written) << text;
            ASSERT_EQ(sf::parse_dictionary(*written), dictionary) << text << " / " << *written;
        }
    }
    EXPECT_GT(valid, 500);
}

}  // namespace
}  // namespace tidegate::cache::rules
