// RedisReader: bytes of a Redis server in, owned replies out; within bounds, whatever the bytes.
//
// Position    Between RedisLink and hiredis' reader, which does the parsing (RESP2); hiredis stays inside the .cpp.
// Memory      A reply over bytes_max or items_max (nested elements included), or nested more than 7 deep, is a failure. An
//             array's elements are made when its head is read: items_max bounds what one line can make us allocate.
// Threads     One.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/redis.h"

namespace tidegate::store {

/// Appends one command as an array of strings, the form in which servers take it.
void append_command(std::string& out, std::span<const std::string_view> words);
/// The parts of append_command, for a command put together from pieces.
void append_array_head(std::string& out, std::size_t words);
void append_word(std::string& out, std::string_view word);

class RedisReader {
  public:
    RedisReader(std::size_t bytes_max, std::size_t items_max);
    ~RedisReader();
    RedisReader(const RedisReader&) = delete;
    RedisReader& operator=(const RedisReader&) = delete;

    /// A reply as the server meant it: an error reply, or an error anywhere inside an array, is the inner Error.
    using Reply = Result<RedisReply>;

    void feed(std::string_view bytes);
    /// The next whole reply; nullopt: more bytes are needed; the outer Error: the bytes cannot be followed any further.
    Result<std::optional<Reply>> next();
    /// Forgets what was fed: a new connection.
    void reset();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tidegate::store
