// Clients of the token ledger for its system tests: 32 that transfer at random, keep what was acknowledged, and look at balances after each
// answer; and what the ledger must hold at the end.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/strings.h"
#include "system/client.h"

namespace tidegate::testing {

inline constexpr std::size_t kClients = 32;
inline constexpr std::int64_t kEach = 50;  // Whole tokens of each user at the beginning.
/// One that every client sends from and to.
inline std::string shared_user(std::size_t at) {
    return "shared-" + std::to_string(at);
}

/// One of two that this client alone moves tokens between: what they have is known to the last one.
inline std::string purse(std::size_t client, bool second) {
    return (second ? "right-" : "left-") + std::to_string(client);
}

struct Move {
    std::string key, from, to;
    std::int64_t amount = 0;
    bool own = false;                    // Between the client's purses.
    std::size_t from_at = 0, to_at = 0;  // Else: of the shared users.
};

/// What was sent for and what was acknowledged, of each shared user. A balance lies between the two.
struct Traffic {
    std::atomic<std::int64_t> sent_in{0}, sent_out{0}, done_in{0}, done_out{0};
};

struct Acknowledged {
    Move move;
    std::string transaction;
};

class Client {
  public:
    explicit Client(std::size_t number) : number_(number) {}

    /// Until the server is gone or `enough`; what has no answer then is sent again the next time, under its key.
    void run(std::uint16_t port, std::array<Traffic, kClients>& traffic, std::atomic<int>& answered,
             const std::atomic<bool>& enough) {
        RawClient line(port), eye(port);
        while (!enough.load() || open_) {
            if (!open_) begin(traffic);
            const RawResponse answer = send(line);
            if (!answer.complete) return;
            if (answer.status == 503) continue;  // As many wait as may: the same again.
            if (!take(answer, traffic) || !look(eye, traffic)) return;
            ++answered;
        }
    }
    /// The same over two servers of one database, whose ports change when they are started again: now this one, now the other, the balances at
    /// the other one. What has no answer, or 503, is sent again under its key, to the other. Until `enough`.
    void run_over(const std::array<std::atomic<std::uint16_t>, 2>& ports, std::array<Traffic, kClients>& traffic,
                  std::atomic<int>& answered, const std::atomic<bool>& enough) {
        away_ = true;
        for (std::size_t at = number_ % 2; !enough.load() || open_;) {
            if (!open_) begin(traffic);
            RawClient line(ports[at]);
            const RawResponse answer = send(line);
            at = 1 - at;
            if (!answer.complete || answer.status == 503) {
                rest(std::chrono::milliseconds(5));
                continue;
            }
            if (!take(answer, traffic)) return;
            RawClient eye(ports[at]);
            look(eye, traffic);
            ++answered;
        }
    }
    const std::vector<Acknowledged>& acknowledged() const noexcept { return acknowledged_; }
    std::int64_t held(bool second) const noexcept { return second ? right_ : left_; }
    int repeated() const noexcept { return repeated_; }
    bool has_open() const noexcept { return open_.has_value(); }

    static RawResponse send(RawClient& line, const Move& move) {
        std::string body;
        JsonWriter writer(body);
        writer.begin_object().field("from_user_id", move.from).field("to_user_id", move.to);
        writer.field("amount", std::to_string(move.amount)).field("reason", move.key).end_object();
        return line.ask(request_text("POST", "/tokens/transfer", body,
                                     {{"Content-Type", "application/json"}, {"Idempotency-Key", move.key}}));
    }

  private:
    void begin(std::array<Traffic, kClients>& traffic) {
        const std::uint64_t chance = mix64(number_ * 1'000'000 + ++count_);
        Move move{.key = std::to_string(number_) + "." + std::to_string(count_), .from = {}, .to = {}};
        move.amount = 1 + static_cast<std::int64_t>((chance >> 40U) % 20);
        move.own = chance % 3 == 0;
        const bool second = (chance >> 8U) % 2 == 0;
        move.from_at = (chance >> 16U) % kClients;
        move.to_at = (move.from_at + 1 + (chance >> 24U) % (kClients - 1)) % kClients;
        move.from = move.own ? purse(number_, second) : shared_user(move.from_at);
        move.to = move.own ? purse(number_, !second) : shared_user(move.to_at);
        if (!move.own) {
            traffic[move.from_at].sent_out += move.amount;
            traffic[move.to_at].sent_in += move.amount;
        }
        open_ = std::move(move);
    }
    RawResponse send(RawClient& line) const { return send(line, *open_); }

    /// False: it cannot go on.
    bool take(const RawResponse& answer, std::array<Traffic, kClients>& traffic) {
        const Move move = *std::exchange(open_, std::nullopt);
        last_ = move;
        if (answer.status == 422) {  // There was not enough; nothing was moved, and the key is free.
            if (!move.own) {
                traffic[move.from_at].sent_out -= move.amount;
                traffic[move.to_at].sent_in -= move.amount;
            } else {
                EXPECT_GT(move.amount, move.from.starts_with("right") ? right_ : left_) << move.key;
            }
            return true;
        }
        EXPECT_EQ(answer.status, 200) << answer.body;
        if (answer.status != 200) return false;
        repeated_ += answer.header("idempotent-replayed") == "true" ? 1 : 0;
        const json::Document document = parse_json(answer.body);
        acknowledged_.push_back({move, std::string(document.root().find("transaction_id")->as_string())});
        if (move.own) {
            const std::int64_t right = move.from.starts_with("right") ? -move.amount : move.amount;
            right_ += right;
            left_ -= right;
        } else {
            traffic[move.from_at].done_out += move.amount;
            traffic[move.to_at].done_in += move.amount;
        }
        return true;
    }

    /// The balances after an answer, on another connection. False: the server has gone.
    bool look(RawClient& eye, std::array<Traffic, kClients>& traffic) const {
        if (last_.own) {
            for (const bool second : {false, true}) {
                const auto now = balance(eye, purse(number_, second), away_);
                if (!now) return false;
                EXPECT_EQ(*now, held(second)) << purse(number_, second) << " after " << last_.key;
            }
            return true;
        }
        for (const std::size_t at : {last_.from_at, last_.to_at}) {
            Traffic& one = traffic[at];
            const std::int64_t in = one.done_in, out = one.done_out;
            const auto now = balance(eye, shared_user(at), away_);
            if (!now) return false;
            EXPECT_GE(*now, kEach + in - one.sent_out.load()) << shared_user(at) << " after " << last_.key;
            EXPECT_LE(*now, kEach + one.sent_in.load() - out) << shared_user(at) << " after " << last_.key;
        }
        return true;
    }

  public:
    /// In whole tokens; nothing when there was no answer, or, where the database may be `away`, 503.
    static std::optional<std::int64_t> balance(RawClient& eye, const std::string& user, bool away = false) {
        const RawResponse answer = eye.ask(request_text("GET", "/tokens/balance/" + user));
        if (!answer.complete || (away && answer.status == 503)) return std::nullopt;
        EXPECT_EQ(answer.status, 200) << answer.body;
        const json::Document document = parse_json(answer.body);
        const auto text = document.root().find("balance");
        if (!text) return std::nullopt;
        const std::string_view digits = text->as_string();
        EXPECT_TRUE(digits.ends_with(".00000000")) << digits;
        return parse_i64(digits.substr(0, digits.find('.')));
    }

  private:
    const std::size_t number_;
    std::uint64_t count_ = 0;
    std::optional<Move> open_;  // Sent, and not answered yet.
    Move last_;
    std::int64_t left_ = kEach, right_ = kEach;
    int repeated_ = 0;
    bool away_ = false;  // The database may be.
    std::vector<Acknowledged> acknowledged_;
};

class LedgerFixture : public ::testing::Test {
  protected:
    void SetUp() override {
        for (std::size_t i = 0; i < kClients; ++i) clients_.emplace_back(i);
    }
    std::vector<std::string> users() const {
        std::vector<std::string> out;
        for (std::size_t i = 0; i < kClients; ++i) {
            out.push_back(shared_user(i));
            for (const bool second : {false, true}) out.push_back(purse(i, second));
        }
        return out;
    }
    void fund(std::uint16_t port) const {
        for (const std::string& user : users()) {
            ASSERT_EQ(post(port, "/api/users", R"({"user_id":")" + user + R"(","username":")" + user + R"("})").status,
                      201);
            const RawResponse given = post(
                port, "/tokens/award", R"({"user_id":")" + user + R"(","amount":")" + std::to_string(kEach) + R"("})");
            ASSERT_EQ(given.status, 200) << given.body;
        }
    }
    /// Every transfer that stands in the ledger of the user as its sender: key to transaction.
    static std::multimap<std::string, std::string, std::less<>> sent_by(std::uint16_t port, const std::string& user) {
        std::multimap<std::string, std::string, std::less<>> out;
        RawClient line(port);
        for (std::string cursor = "?limit=100"; !cursor.empty();) {
            const RawResponse answer = line.ask(request_text("GET", "/tokens/ledger/" + user + cursor));
            EXPECT_EQ(answer.status, 200) << answer.body;
            const json::Document document = parse_json(answer.body);
            each_in(document.root(), "items", [&](json::Value one) {
                const auto from = one.find("from_user_id");
                if (from->kind() != json::Kind::kString || from->as_string() != user) return;
                out.emplace(one.find("reason")->as_string(), one.find("transaction_id")->as_string());
            });
            const auto next = document.root().find("next_cursor");
            cursor = next && next->kind() == json::Kind::kString ? "?limit=100&cursor=" + std::string(next->as_string())
                                                                 : std::string();
        }
        return out;
    }

    /// After the last answer: the sum, each balance, each acknowledged transfer once; the same again gets the same answer.
    void check_all(std::uint16_t port) {
        std::map<std::string, std::int64_t> expected;
        for (const std::string& user : users()) expected[user] = kEach;
        std::map<std::string, std::map<std::string, std::string>> sent;
        int repeated = 0;
        for (const Client& client : clients_) {
            EXPECT_FALSE(client.has_open());
            repeated += client.repeated();
            for (const Acknowledged& one : client.acknowledged()) {
                expected[one.move.from] -= one.move.amount;
                expected[one.move.to] += one.move.amount;
                sent[one.move.from][one.move.key] = one.transaction;
            }
        }
        RecordProperty("answered_again_after_a_kill", repeated);
        RawClient eye(port);
        std::int64_t sum = 0;
        for (const auto& [user, amount] : expected) {
            EXPECT_EQ(Client::balance(eye, user), amount) << user;
            sum += Client::balance(eye, user).value_or(0);
            // Each that was acknowledged is there once under the number that was told, and none that was not.
            const auto found = sent_by(port, user);
            const std::map<std::string, std::string> once(found.begin(), found.end());
            EXPECT_EQ(found.size(), once.size()) << user;
            EXPECT_EQ(once, sent[user]) << user;
        }
        EXPECT_EQ(sum, kEach * static_cast<std::int64_t>(users().size()));
        // The same again changes nothing and gets the same answer, over all the kills.
        for (const Client& client : clients_) {
            if (client.acknowledged().empty()) continue;
            const Acknowledged& first = client.acknowledged().front();
            const RawResponse again = Client::send(eye, first.move);
            ASSERT_EQ(again.status, 200) << again.body;
            EXPECT_EQ(again.header("idempotent-replayed"), "true");
            EXPECT_EQ(parse_json(again.body).root().find("transaction_id")->as_string(), first.transaction);
        }
        for (const auto& [user, amount] : expected) EXPECT_EQ(Client::balance(eye, user), amount) << user;
    }

    std::array<Traffic, kClients> traffic_;
    std::vector<Client> clients_;
};

}  // namespace tidegate::testing
