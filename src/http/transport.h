// Transport: the seam between a connection and its socket; plain, TLS, or a fake that fails where a test
// wants it.
//
// Threads     The loop's thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tidegate::http {

enum class IoStatus : std::uint8_t {
    kOk,
    kWouldBlock,
    kEnd,     // The peer has finished sending.
    kFailed,  // Reset, broken pipe, a broken TLS record: nothing more will go either way.
};

struct IoResult {
    IoStatus status = IoStatus::kOk;
    std::size_t bytes = 0;  // With kOk: at least 1.
};

class Transport {
  public:
    virtual ~Transport() = default;
    virtual IoResult read(std::span<char> into) = 0;
    virtual IoResult write(std::span<const iovec> pieces) = 0;
    /// Says that nothing more will be sent (FIN; with TLS close_notify before it).
    virtual void shutdown_write() = 0;
    /// Bytes wait inside (a TLS record half read) that the kernel will not announce again.
    virtual bool read_pending() const noexcept { return false; }
    /// The last read() stopped because it has to write (a TLS handshake).
    virtual bool wants_write() const noexcept { return false; }
    virtual bool handshaking() const noexcept { return false; }
    virtual bool tls() const noexcept { return false; }
    virtual int descriptor() const noexcept = 0;
};

/// Owns the socket.
std::unique_ptr<Transport> make_plain_transport(int socket);

}  // namespace tidegate::http
