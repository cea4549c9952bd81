// Logger: structured JSON lines, one an event, written by one thread behind a bounded buffer.
//
// Use         `log.line(Level::kInfo, "listening").field("port", port);` The line is handed over at the end of the
//             statement.
// Guarantee   The caller never waits for the disk: it copies its line into the buffer or drops it. Nothing is dropped
//             in silence: a later line `log_lines_dropped` says how many, and dropped() counts. Lines of one thread
//             keep their order. A line is whole or absent, unless the disk fills in the middle of it.
// Privacy     Fields only, named by the code that logs. There is no call that takes headers or a body.
// Memory      Two buffers of buffer_bytes_max at most, and one reused line buffer a thread.
// Threads     Any thread may log. A warning or an error wakes the writer at once; other lines within 20 ms.
// When full   The newest line is dropped. When the output cannot be written, lines are dropped and counted.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/mutex.h"
#include "base/result.h"

namespace tidegate::observe {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };
std::string_view to_string(Level level) noexcept;
/// `debug`, `info`, `warn`, `error`, `off`; kInvalidArgument otherwise.
Result<Level> parse_level(std::string_view text);

struct LogOptions {
    Level level = Level::kInfo;
    std::string path;                                // Empty: standard error.
    std::size_t buffer_bytes_max = 4 * 1024 * 1024;  // 10,000 request lines: 3 s of a stalled disk at 3,000 requests/s.
};

class Logger;

/// One line being built. Ends, and is handed over, when it goes out of scope. Belongs to one thread.
class Line {
  public:
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    Line(Line&&) = delete;

    /// Strings, numbers, booleans and optionals, as JsonWriter takes them. On a line below the level this
    /// does nothing.
    template <class T>
    Line& field(std::string_view name, const T& value) & {
        if (logger_ != nullptr) writer_.field(name, value);
        return *this;
    }
    template <class T>
    Line&& field(std::string_view name, const T& value) && {
        if (logger_ != nullptr) writer_.field(name, value);
        return std::move(*this);
    }
    /// A nested value that is already JSON.
    Line& json(std::string_view name, std::string_view json_text);

  private:
    friend class Logger;
    Line(Logger* logger, Level level, std::string_view event);
    Logger* logger_;
    Level level_;
    std::string own_;  // Only when the thread's buffer is taken by an outer line.
    std::string& buffer_;
    JsonWriter writer_;
};

class Logger {
  public:
    /// Opens the output and starts the writer; kUnavailable when the file cannot be opened. `clock` outlives
    /// the logger.
    static Result<std::unique_ptr<Logger>> open(LogOptions options, const Clock& clock);
    /// Writes what is buffered, then ends.
    ~Logger();
    Logger(const Logger&) = delete;
    Logger& operator=(const Logger&) = delete;

    /// `event` is a short stable name in snake case: `request`, `listening`, `commit_failed`.
    Line line(Level level, std::string_view event) { return Line(enabled(level) ? this : nullptr, level, event); }
    /// A line of another format, whole and with its newline; at kInfo.
    void write(std::string_view whole_line) noexcept {
        if (enabled(Level::kInfo)) submit(whole_line, Level::kInfo);
    }
    bool enabled(Level level) const noexcept { return level >= level_.load(std::memory_order_relaxed); }
    void set_level(Level level) noexcept { level_.store(level, std::memory_order_relaxed); }
    /// Opens the file anew before the next write (after a rotation). Any thread.
    void reopen() noexcept;
    /// Waits until every line handed over before the call is written or dropped.
    void flush();
    /// Lines dropped so far.
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  private:
    friend class Line;
    Logger(LogOptions options, const Clock& clock, int fd);
    void submit(std::string_view line, Level level) noexcept;
    void run();
    void write_out(std::string_view batch);
    void append_drop_line(std::string& batch);
    void reopen_now();

    enum class Waiting : std::uint8_t { kNot, kForLines, kToGather };

    const LogOptions options_;
    const Clock& clock_;
    int fd_;  // The writer's alone after the start.
    std::atomic<Level> level_;
    std::atomic<std::uint64_t> dropped_{0};
    std::uint64_t dropped_told_ = 0;  // The writer's alone.
    bool torn_ = false;               // The writer's alone: the output ends in a piece of a line.

    Mutex mutex_;
    Condition wake_;
    Condition written_;
    std::string pending_ TG_GUARDED_BY(mutex_);
    std::uint64_t batches_taken_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t batches_written_ TG_GUARDED_BY(mutex_) = 0;
    Waiting waiting_ TG_GUARDED_BY(mutex_) = Waiting::kNot;
    bool urgent_ TG_GUARDED_BY(mutex_) = false;
    bool reopen_ TG_GUARDED_BY(mutex_) = false;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread writer_;
};

}  // namespace tidegate::observe
