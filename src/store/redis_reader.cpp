#include "store/redis_reader.h"

#include <hiredis/read.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/assert.h"

namespace tidegate::store {
namespace {

using Kind = RedisReply::Kind;

// An error's text goes into logs: a line of it is enough.
constexpr std::size_t kErrorTextMax = 200;

/// What one reply has cost so far; reachable from every task of hiredis' reader.
struct Bounds {
    std::size_t bytes_max;
    std::size_t items_max;
    std::size_t bytes = 0;
    std::size_t items = 0;
    std::optional<std::string> error;  // The first error reply met.
};

Bounds& bounds_of(const redisReadTask* task) {
    return *static_cast<Bounds*>(task->privdata);
}

/// The place of a reply: an element that its array holds already, or a new root.
RedisReply* place(const redisReadTask* task) {
    if (task->parent == nullptr) return std::make_unique<RedisReply>().release();
    auto& items = static_cast<RedisReply*>(task->parent->obj)->items;
    return &items[static_cast<std::size_t>(task->idx)];
}

// These five are called from C: they may end a reply by returning null, and never throw on the input.

void* make_text(const redisReadTask* task, char* text, std::size_t size) {
    Bounds& bounds = bounds_of(task);
    bounds.bytes += size;
    if (bounds.bytes > bounds.bytes_max) return nullptr;
    RedisReply* reply = place(task);
    if (task->type == REDIS_REPLY_ERROR && !bounds.error) bounds.error.emplace(text, std::min(size, kErrorTextMax));
    reply->kind = Kind::kText;
    reply->text.assign(text, size);
    return reply;
}

void* make_array(const redisReadTask* task, int elements) {
    Bounds& bounds = bounds_of(task);
    const auto count = static_cast<std::size_t>(std::max(elements, 0));
    if (count > bounds.items_max - bounds.items) return nullptr;
    bounds.items += count;
    RedisReply* reply = place(task);
    reply->kind = Kind::kArray;
    reply->items.resize(count);
    return reply;
}

// hiredis names the type long long.
void* make_integer(const redisReadTask* task, long long value) {
    RedisReply* reply = place(task);
    reply->kind = Kind::kInteger;
    reply->integer = value;
    return reply;
}

void* make_nil(const redisReadTask* task) {
    RedisReply* reply = place(task);
    reply->kind = Kind::kNil;
    return reply;
}

// Called for a root only: elements go with it.
void free_root(void* reply) {
    const std::unique_ptr<RedisReply> owned(static_cast<RedisReply*>(reply));
}

redisReplyObjectFunctions kMakers{make_text, make_array, make_integer, make_nil, free_root};

/// The state the server is in, which passes, told from a command that is wrong.
ErrorCode code_of(std::string_view error) {
    constexpr std::array<std::string_view, 12> kPassing{"OOM",       "LOADING",     "BUSY",     "READONLY",
                                                        "MISCONF",   "MASTERDOWN",  "TRYAGAIN", "NOAUTH",
                                                        "WRONGPASS", "CLUSTERDOWN", "NOPERM",   "NOREPLICAS"};
    const std::string_view word = error.substr(0, error.find(' '));
    return std::ranges::find(kPassing, word) != kPassing.end() ? ErrorCode::kUnavailable : ErrorCode::kInternal;
}

}  // namespace

struct RedisReader::State {
    explicit State(Bounds limits) : bounds(limits), reader(redisReaderCreateWithFunctions(&kMakers), redisReaderFree) {
        TG_ASSERT(reader != nullptr);
        reader->privdata = &bounds;
    }
    Bounds bounds;
    std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader;
};

RedisReader::RedisReader(std::size_t bytes_max, std::size_t items_max)
    : state_(std::make_unique<State>(Bounds{.bytes_max = bytes_max, .items_max = items_max})) {}

RedisReader::~RedisReader() = default;

void RedisReader::reset() {
    state_ =
        std::make_unique<State>(Bounds{.bytes_max = state_->bounds.bytes_max, .items_max = state_->bounds.items_max});
}

void RedisReader::feed(std::string_view bytes) {
    // Fails only when the reader has failed, and then next() says so.
    [[maybe_unused]] const int fed = redisReaderFeed(state_->reader.get(), bytes.data(), bytes.size());
}

Result<std::optional<RedisReader::Reply>> RedisReader::next() {
    redisReader& reader = *state_->reader;
    Bounds& bounds = state_->bounds;
    void* raw = nullptr;
    if (redisReaderGetReply(&reader, &raw) != REDIS_OK) {
        if (bounds.bytes > bounds.bytes_max || reader.err == REDIS_ERR_OOM) {
            return fail(ErrorCode::kTooLarge, "Redis sent a reply over the limits");
        }
        return fail(ErrorCode::kDataLoss, "Redis sent bytes that are no reply");
    }
    const std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(raw));
    if (reply == nullptr) {
        // A string is read when it is whole: what waits for its end counts as well.
        if (reader.len - reader.pos > bounds.bytes_max) {
            return fail(ErrorCode::kTooLarge, "Redis sent a reply over the limits");
        }
        return std::optional<Reply>();
    }
    const std::optional<std::string> error = std::exchange(bounds.error, std::nullopt);
    bounds.bytes = bounds.items = 0;
    if (error) return std::optional<Reply>(fail(code_of(*error), "Redis: " + *error));
    return std::optional<Reply>(std::move(*reply));
}

void append_array_head(std::string& out, std::size_t words) {
    out.push_back('*');
    out.append(std::to_string(words));
    out.append("\r\n");
}

void append_word(std::string& out, std::string_view word) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), word.size()).ptr;
    out.push_back('$');
    out.append(digits.data(), end);
    out.append("\r\n");
    out.append(word);
    out.append("\r\n");
}

void append_command(std::string& out, std::span<const std::string_view> words) {
    append_array_head(out, words.size());
    for (const std::string_view word : words) append_word(out, word);
}

}  // namespace tidegate::store
