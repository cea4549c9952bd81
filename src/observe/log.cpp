#include "observe/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

namespace tidegate::observe {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames{"debug", "info", "warn", "error", "off"};
constexpr auto kGather = std::chrono::milliseconds(20);  // 50 wake-ups a second at most while lines keep coming.
constexpr std::size_t kKeepBytes = 256 * 1024;           // A buffer that a burst made larger is given back.
// A pipe or terminal that is ready takes at least PIPE_BUF (4096) bytes without blocking.
constexpr std::size_t kPipeBytes = 4096;
constexpr int kStalledMs = 1'000;  // A reader of our standard error that takes nothing for so long loses lines.

struct ThreadBuffer {
    std::string text;
    bool taken = false;
};

ThreadBuffer& thread_buffer() {
    thread_local ThreadBuffer buffer;
    return buffer;
}

// RFC 3339 with the part up to the second kept from the last line: formatting the date anew costs ten times
// the rest.
void append_time(std::string& out, UnixMillis now) {
    struct Cached {
        UnixMillis second = -1;
        std::string text;
    };
    thread_local Cached cached;
    const UnixMillis second = now / 1000;
    if (cached.second != second) {
        cached.text = format_rfc3339(second * 1000);
        cached.second = second;
    }
    const auto ms = static_cast<int>(now % 1000);
    out.append(cached.text, 0, 20);  // `2026-03-01T12:00:00.`
    out.push_back(static_cast<char>('0' + ms / 100));
    out.push_back(static_cast<char>('0' + ms / 10 % 10));
    out.push_back(static_cast<char>('0' + ms % 10));
    out.push_back('Z');
}

int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

// Bytes written; less than asked when the output fails or stalls.
std::size_t write_some(int fd, std::string_view bytes) {
    struct stat info{};
    const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    std::size_t done = 0;
    while (done < bytes.size()) {
        if (!regular) {
            pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
            if (::poll(&ready, 1, kStalledMs) == 0) return done;
        }
        const std::size_t wanted = regular ? bytes.size() - done : std::min(kPipeBytes, bytes.size() - done);
        const ssize_t written = ::write(fd, bytes.data() + done, wanted);
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (written <= 0) return done;
        done += static_cast<std::size_t>(written);
    }
    return done;
}

}  // namespace

std::string_view to_string(Level level) noexcept {
    return kLevelNames[static_cast<std::size_t>(level)];
}

Result<Level> parse_level(std::string_view text) {
    for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
        if (kLevelNames[i] == text) return static_cast<Level>(i);
    }
    return fail(ErrorCode::kInvalidArgument, "a log level is one of debug, info, warn, error, off");
}

Line::Line(Logger* logger, Level level, std::string_view event)
    : logger_(logger),
      level_(level),
      buffer_(logger == nullptr || thread_buffer().taken ? own_ : thread_buffer().text),
      writer_(buffer_) {
    if (logger_ == nullptr) return;
    if (&buffer_ != &own_) thread_buffer().taken = true;
    buffer_ = "{\"time\":\"";
    append_time(buffer_, logger_->clock_.unix_ms());
    buffer_ += "\",\"level\":\"";
    buffer_ += to_string(level_);
    buffer_ += "\",\"event\":";
    // The writer begins inside the object: `event` gives it its first member.
    writer_.value(event);
}

Line::~Line() {
    if (logger_ == nullptr) return;
    buffer_ += "}\n";
    logger_->submit(buffer_, level_);
    if (&buffer_ == &own_) return;
    thread_buffer().taken = false;
    if (buffer_.capacity() > kKeepBytes) buffer_ = std::string();
}

Line& Line::json(std::string_view name, std::string_view json_text) {
    if (logger_ != nullptr) writer_.key(name).raw(json_text);
    return *this;
}

Result<std::unique_ptr<Logger>> Logger::open(LogOptions options, const Clock& clock) {
    int fd = STDERR_FILENO;
    if (!options.path.empty()) {
        fd = open_file(options.path);
        if (fd < 0) {
            return fail(ErrorCode::kUnavailable,
                        "cannot open the log file " + options.path + ": " + std::generic_category().message(errno));
        }
    }
    return std::unique_ptr<Logger>(new Logger(std::move(options), clock, fd));
}

Logger::Logger(LogOptions options, const Clock& clock, int fd)
    : options_(std::move(options)), clock_(clock), fd_(fd), level_(options_.level), writer_([this] { run(); }) {}

Logger::~Logger() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    writer_.join();
    if (fd_ != STDERR_FILENO) ::close(fd_);
}

void Logger::reopen() noexcept {
    {
        const Lock lock(mutex_);
        reopen_ = true;
    }
    wake_.notify_one();
}

void Logger::flush() {
    const Lock lock(mutex_);
    const std::uint64_t wanted = pending_.empty() ? batches_taken_ : batches_taken_ + 1;
    urgent_ = true;
    wake_.notify_one();
    while (batches_written_ < wanted) written_.wait(mutex_);
}

void Logger::submit(std::string_view line, Level level) noexcept {
    bool wake = false;
    {
        const Lock lock(mutex_);
        if (pending_.size() + line.size() > options_.buffer_bytes_max) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        pending_ += line;
        if (level >= Level::kWarn || pending_.size() > options_.buffer_bytes_max / 2) urgent_ = true;
        wake = waiting_ == Waiting::kForLines || (waiting_ == Waiting::kToGather && urgent_);
        if (wake) waiting_ = Waiting::kNot;  // One wake-up is enough.
    }
    if (wake) wake_.notify_one();
}

void Logger::run() {
    std::string batch;
    for (bool last = false; !last;) {
        {
            const Lock lock(mutex_);
            while (pending_.empty() && !stopping_ && !reopen_) {
                waiting_ = Waiting::kForLines;
                urgent_ = false;
                wake_.wait(mutex_);
            }
            if (!urgent_ && !stopping_ && !reopen_) {
                waiting_ = Waiting::kToGather;
                wake_.wait_for(mutex_, kGather);
            }
            waiting_ = Waiting::kNot;
            urgent_ = false;
            last = stopping_;
            if (reopen_) reopen_now();
            reopen_ = false;
            batch.swap(pending_);
            ++batches_taken_;
        }
        append_drop_line(batch);
        write_out(batch);
        batch.clear();
        if (batch.capacity() > kKeepBytes) batch = std::string();
        {
            const Lock lock(mutex_);
            ++batches_written_;
        }
        written_.notify_all();
    }
}

void Logger::append_drop_line(std::string& batch) {
    const std::uint64_t dropped = dropped_.load(std::memory_order_relaxed);
    if (dropped == dropped_told_) return;
    batch += "{\"time\":\"";
    append_time(batch, clock_.unix_ms());
    batch += "\",\"level\":\"warn\",\"event\":\"log_lines_dropped\",\"count\":";
    batch += std::to_string(dropped - dropped_told_);
    batch += "}\n";
    dropped_told_ = dropped;
}

void Logger::write_out(std::string_view batch) {
    if (torn_ && !batch.empty() && write_some(fd_, "\n") == 1) torn_ = false;
    const std::size_t written = write_some(fd_, batch);
    if (written == batch.size()) return;
    torn_ = torn_ || (written > 0 && batch[written - 1] != '\n');
    const auto lost = std::ranges::count(batch.substr(written), '\n');
    dropped_.fetch_add(static_cast<std::uint64_t>(lost), std::memory_order_relaxed);
}

void Logger::reopen_now() {
    if (options_.path.empty()) return;
    const int fresh = open_file(options_.path);
    if (fresh < 0) return;  // The old file is better than none.
    ::close(fd_);
    fd_ = fresh;
}

}  // namespace tidegate::observe
