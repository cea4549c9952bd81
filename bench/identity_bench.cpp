// What it costs to know who asks: a key, an unknown key, a token seen before and a new one, an address.
//
// Use         bench_identity --benchmark_format=json. Goal: identity, limits and spend together under 1 microsecond.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/file.h"
#include "base/hash.h"
#include "pipeline/identity/authenticator.h"
#include "pipeline/identity/token.h"
#include "pipeline/identity/token_keys.h"
#include "settings/load.h"

namespace {

using namespace tidegate;
using namespace tidegate::pipeline;

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

/// An Identity over a database in a folder of its own, with 1,000 keys and HS256 tokens on.
class Place {
  public:
    static Place& get() {
        static Place place;
        return place;
    }
    ~Place() { std::filesystem::remove_all(folder_); }
    Identity& identity() { return *identity_; }
    const std::string& key() const { return keys_.front(); }
    const std::vector<std::string>& keys() const { return keys_; }
    UnixMillis now() const { return clock_.unix_ms(); }

  private:
    Place() {
        folder_ = "/tmp/tidegate-bench-XXXXXX";
        TG_ASSERT(::mkdtemp(folder_.data()) != nullptr);
        TG_ASSERT(disk_.write_atomic(folder_ + "/secret", kSecret));
        settings::Table table;
        declare(table, settings_);
        TG_ASSERT(settings::load(
            table, {.config_path = {}, .environment = {}, .flags = {{"jwt.secret", "file:" + folder_ + "/secret"}}},
            disk_));
        identity_ =
            std::move(Identity::open(settings_, folder_ + "/tidegate.db", true, clock_, random_, disk_)).value();
        for (int i = 0; i < 1000; ++i) {
            keys_.push_back(std::move(identity_->keys().create({.name = "k", .scopes = {"*"}})).value().text);
        }
    }
    SystemClock clock_;
    SystemRandom random_;
    SystemDisk disk_;
    std::string folder_;
    IdentitySettings settings_;
    std::unique_ptr<Identity> identity_;
    std::vector<std::string> keys_;
};

/// What a client of ours sends, with the credential last.
http::Headers request(std::string_view name, std::string_view value) {
    http::Headers headers;
    headers.add("Host", "127.0.0.1:8000");
    headers.add("User-Agent", "python-requests/2.31.0");
    headers.add("Accept-Encoding", "gzip, deflate");
    headers.add("Accept", "*/*");
    headers.add("Connection", "keep-alive");
    headers.add("Content-Type", "application/json");
    headers.add("Content-Length", "142");
    if (!name.empty()) headers.add(name, value);
    return headers;
}

void ask(benchmark::State& state, const http::Headers& headers, bool accepted) {
    Authenticator authenticator(Place::get().identity());
    const UnixMillis now = Place::get().now();
    for (auto _ : state) {
        const auto outcome = authenticator.authenticate(headers, "203.0.113.77", now);
        TG_ASSERT((outcome.caller != nullptr) == accepted);
    }
}

void key(benchmark::State& state) {
    ask(state, request("Authorization", "Bearer " + Place::get().key()), true);
}
void key_in_x_api_key(benchmark::State& state) {
    ask(state, request("X-API-Key", Place::get().key()), true);
}
void key_unknown(benchmark::State& state) {
    ask(state, request("X-API-Key", "tg_aaaaaaaaaaab_" + std::string(43, 'x')), false);
}
void anonymous(benchmark::State& state) {
    ask(state, request("", ""), true);
}

/// A thousand keys in turn: the index does not stay in the nearest cache.
void key_of_a_thousand(benchmark::State& state) {
    Authenticator authenticator(Place::get().identity());
    const UnixMillis now = Place::get().now();
    std::vector<http::Headers> requests;
    for (const std::string& text : Place::get().keys()) requests.push_back(request("X-API-Key", text));
    std::size_t at = 0;
    for (auto _ : state) {
        TG_ASSERT(authenticator.authenticate(requests[at], "203.0.113.77", now).caller != nullptr);
        at = at + 1 == requests.size() ? 0 : at + 1;
    }
}

void anonymous_new_address(benchmark::State& state) {
    Authenticator authenticator(Place::get().identity());
    const http::Headers headers = request("", "");
    std::uint32_t n = 0;
    for (auto _ : state) {
        const std::string address = "10." + std::to_string(n >> 16U & 255U) + "." + std::to_string(n >> 8U & 255U) +
                                    "." + std::to_string(n & 255U);
        ++n;
        TG_ASSERT(authenticator.authenticate(headers, address, 0).caller != nullptr);
    }
}

std::string hs256(const std::string& claims) {
    const std::string text = encode_base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + encode_base64url(claims);
    return text + "." + encode_base64url(hmac_sha256(kSecret, text));
}

void token_seen_before(benchmark::State& state) {
    const std::string token =
        hs256(R"({"sub":"ada","exp":4000000000,"iss":"https://id.example","scope":"provenance flood"})");
    ask(state, request("Authorization", "Bearer " + token), true);
}

void token_new_hs256(benchmark::State& state) {
    Authenticator authenticator(Place::get().identity());
    std::vector<http::Headers> requests;
    for (int i = 0; i < 20'000; ++i) {  // More than are remembered, so that each is new when its turn comes.
        requests.push_back(request("Authorization",
                                   "Bearer " + hs256(R"({"sub":"ada)" + std::to_string(i) + R"(","exp":4000000000})")));
    }
    std::size_t at = 0;
    for (auto _ : state) {
        TG_ASSERT(authenticator.authenticate(requests[at], "203.0.113.77", 0).caller != nullptr);
        at = at + 1 == requests.size() ? 0 : at + 1;
    }
}

void rs256_signature(benchmark::State& state) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> rsa(EVP_RSA_gen(2048), EVP_PKEY_free);
    const auto number = [&](const char* name) {
        BIGNUM* value = nullptr;
        TG_ASSERT(EVP_PKEY_get_bn_param(rsa.get(), name, &value) == 1);
        std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
        BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
        BN_free(value);
        return encode_base64url(bytes);
    };
    const auto keys =
        TokenKeys::parse(R"({"keys":[{"kty":"RSA","n":")" + number("n") + R"(","e":")" + number("e") + "\"}]}");
    TG_ASSERT(keys);
    const std::string text(200, 't');
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::string signature(256, '\0');
    std::size_t size = signature.size();
    TG_ASSERT(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, rsa.get()) == 1);
    TG_ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                             reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    for (auto _ : state) TG_ASSERT(keys->verify("", text, signature));
}

/// The part of a look-up that no index can save.
void sha256_of_a_secret(benchmark::State& state) {
    const std::string secret(43, 's');
    for (auto _ : state) benchmark::DoNotOptimize(sha256(secret));
}

BENCHMARK(key);
BENCHMARK(key_in_x_api_key);
BENCHMARK(key_of_a_thousand);
BENCHMARK(key_unknown);
BENCHMARK(anonymous);
BENCHMARK(anonymous_new_address);
BENCHMARK(token_seen_before);
BENCHMARK(token_new_hs256);
BENCHMARK(rs256_signature);
BENCHMARK(sha256_of_a_secret);

}  // namespace

BENCHMARK_MAIN();
