// Tokens under 32 clients and kill -9: the sum holds, what was acknowledged is there once, and no balance is older than an answer that was given.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>

#include "base/hash.h"
#include "base/strings.h"
#include "system/client.h"

namespace tidegate::testing {
namespace {

constexpr std::size_t kClients = 32;
constexpr std::int64_t kEach = 50;  // Whole tokens of each user at the beginning.
constexpr int kKills = 8;           // LEDGER_KILLS: another number, for longer runs.

int wanted_kills() {
    const char* const said = std::getenv("LEDGER_KILLS");
    return said == nullptr ? kKills : static_cast<int>(parse_i64(said).value_or(kKills));
}

/// One that every client sends from and to.
std::string shared_user(std::size_t at) {
    return "shared-" + std::to_string(at);
}

/// One of two that this client alone moves tokens between: what they have is known to the last one.
std::string purse(std::size_t client, bool second) {
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
                const auto now = balance(eye, purse(number_, second));
                if (!now) return false;
                EXPECT_EQ(*now, held(second)) << purse(number_, second) << " after " << last_.key;
            }
            return true;
        }
        for (const std::size_t at : {last_.from_at, last_.to_at}) {
            Traffic& one = traffic[at];
            const std::int64_t in = one.done_in, out = one.done_out;
            const auto now = balance(eye, shared_user(at));
            if (!now) return false;
            EXPECT_GE(*now, kEach + in - one.sent_out.load()) << shared_user(at) << " after " << last_.key;
            EXPECT_LE(*now, kEach + one.sent_in.load() - out) << shared_user(at) << " after " << last_.key;
        }
        return true;
    }

  public:
    /// In whole tokens; nothing when there was no answer.
    static std::optional<std::int64_t> balance(RawClient& eye, const std::string& user) {
        const RawResponse answer = eye.ask(request_text("GET", "/tokens/balance/" + user));
        if (!answer.complete) return std::nullopt;
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
    std::vector<Acknowledged> acknowledged_;
};

class LedgerSystem : public ::testing::Test {
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
    /// All clients at once; `kill_after` answers the server is killed. 0: until each has an answer to all it sent.
    void run(ServerProcess& server, int kill_after) {
        std::atomic<int> answered{0};
        std::atomic<bool> enough{kill_after == 0};
        std::vector<std::jthread> threads;
        for (Client& client : clients_) {
            threads.emplace_back([&] { client.run(server.port(), traffic_, answered, enough); });
        }
        if (kill_after == 0) return;
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
        while (answered.load() < kill_after && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
        EXPECT_GE(answered.load(), kill_after);
        server.kill_now();
        enough = true;
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

    TemporaryFolder folder_;
    std::array<Traffic, kClients> traffic_;
    std::vector<Client> clients_;
};

TEST_F(LedgerSystem, ThirtyTwoClientsAndKillsLeaveEveryAcknowledgedTransferThereOnce) {
    for (int round = 0; round < wanted_kills(); ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const auto server = ServerProcess::start(folder_.path());
        ASSERT_NE(server, nullptr);
        if (round == 0) fund(server->port());
        run(*server, 40 + static_cast<int>(mix64(static_cast<std::uint64_t>(round) + 41) % 260));
        if (HasFailure()) return;
    }
    const auto server = ServerProcess::start(folder_.path());
    ASSERT_NE(server, nullptr);
    run(*server, 0);
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
    RawClient eye(server->port());
    std::int64_t sum = 0;
    for (const auto& [user, amount] : expected) {
        EXPECT_EQ(Client::balance(eye, user), amount) << user;
        sum += Client::balance(eye, user).value_or(0);
        // Each that was acknowledged is there once under the number that was told, and none that was not.
        const auto found = sent_by(server->port(), user);
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
    EXPECT_EQ(server->stop(SIGTERM, 60), 0);
    const RunResult reconciled = run_binary({"ledger", "reconcile", "--data-dir", folder_.path()});
    EXPECT_EQ(reconciled.status, 0) << reconciled.error;
    EXPECT_NE(reconciled.out.find("every account equals its entries"), std::string::npos) << reconciled.out;
}

}  // namespace
}  // namespace tidegate::testing
