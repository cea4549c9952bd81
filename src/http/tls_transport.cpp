#include "http/tls_transport.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace tidegate::http {
namespace {

// What one TLS record carries.
constexpr std::size_t kRecordBytes = 16 * 1024;
constexpr std::string_view kProtocol = "http/1.1";

std::string openssl_error() {
    const unsigned long code = ::ERR_get_error();
    ::ERR_clear_error();
    std::array<char, 256> text{};
    ::ERR_error_string_n(code, text.data(), text.size());
    return text.data();
}

// A socket BIO of our own: OpenSSL's writes with write(), which raises SIGPIPE when the client has left.
int socket_of(BIO* bio) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(::BIO_get_data(bio)));
}

int bio_write(BIO* bio, const char* bytes, int count) {
    ::BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(socket_of(bio), bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) ::BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* bytes, int count) {
    ::BIO_clear_retry_flags(bio);
    const ssize_t got = ::recv(socket_of(bio), bytes, static_cast<std::size_t>(count), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) ::BIO_set_retry_read(bio);
    return static_cast<int>(got);
}

long bio_control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int bio_create(BIO* bio) {
    ::BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
        ::BIO_meth_set_write(made, bio_write);
        ::BIO_meth_set_read(made, bio_read);
        ::BIO_meth_set_ctrl(made, bio_control);
        ::BIO_meth_set_create(made, bio_create);
        return made;
    }();
    return method;
}

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
    for (unsigned int i = 0; i < offered_length && i + offered[i] < offered_length; i += offered[i] + 1U) {
        const std::string_view name(reinterpret_cast<const char*>(offered + i + 1), offered[i]);
        if (name != kProtocol) continue;
        *out = offered + i + 1;
        *out_length = offered[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// OpenSSL's own asks on the terminal, where nobody sits when a service starts.
int refuse_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

struct SslDeleter {
    void operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }
};
struct ContextDeleter {
    void operator()(SSL_CTX* context) const noexcept { ::SSL_CTX_free(context); }
};

class TlsTransport final : public Transport {
  public:
    TlsTransport(std::unique_ptr<SSL, SslDeleter> ssl, int socket) : ssl_(std::move(ssl)), socket_(socket) {}
    ~TlsTransport() override {
        ssl_.reset();
        ::close(socket_);
    }
    TlsTransport(const TlsTransport&) = delete;
    TlsTransport& operator=(const TlsTransport&) = delete;

    IoResult read(std::span<char> into) override {
        wants_write_ = false;
        ::ERR_clear_error();
        if (!established_) {
            const int done = ::SSL_accept(ssl_.get());
            if (done != 1) return classify(done);
            established_ = true;
        }
        std::size_t got = 0;
        const int done = ::SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
        if (done == 1) return {IoStatus::kOk, got};
        return classify(done);
    }

    IoResult write(std::span<const iovec> pieces) override {
        if (!established_) return {IoStatus::kWouldBlock, 0};
        std::array<char, kRecordBytes> record;
        const void* bytes = pieces.front().iov_base;
        std::size_t count = std::min(pieces.front().iov_len, kRecordBytes);
        if (count < kRecordBytes && pieces.size() > 1) {
            // Head and body in one record. A retry after kWouldBlock gathers the same bytes again
            // (the queue only
            // grows at its end), which is what OpenSSL wants of a retry.
            count = 0;
            for (const iovec& piece : pieces) {
                const std::size_t part = std::min(piece.iov_len, kRecordBytes - count);
                std::memcpy(record.data() + count, piece.iov_base, part);
                count += part;
            }
            bytes = record.data();
        }
        ::ERR_clear_error();
        std::size_t sent = 0;
        const int done = ::SSL_write_ex(ssl_.get(), bytes, count, &sent);
        if (done == 1) return {IoStatus::kOk, sent};
        return classify(done);
    }

    void shutdown_write() override {
        if (established_ && !failed_) {
            ::ERR_clear_error();
            ::SSL_shutdown(ssl_.get());
        }
        ::shutdown(socket_, SHUT_WR);
    }
    bool read_pending() const noexcept override { return ::SSL_pending(ssl_.get()) > 0; }
    bool wants_write() const noexcept override { return wants_write_; }
    bool handshaking() const noexcept override { return !established_; }
    bool tls() const noexcept override { return true; }
    int descriptor() const noexcept override { return socket_; }

  private:
    IoResult classify(int done) {
        switch (::SSL_get_error(ssl_.get(), done)) {
            case SSL_ERROR_WANT_READ:
                return {IoStatus::kWouldBlock, 0};
            case SSL_ERROR_WANT_WRITE:
                wants_write_ = !established_;
                return {IoStatus::kWouldBlock, 0};
            case SSL_ERROR_ZERO_RETURN:
                return {IoStatus::kEnd, 0};
            default:
                break;
        }
        // A connection ended without close_notify counts as broken: it may have been cut by somebody else.
        ::ERR_clear_error();
        failed_ = true;
        return {IoStatus::kFailed, 0};
    }

    std::unique_ptr<SSL, SslDeleter> ssl_;
    const int socket_;
    bool established_ = false;
    bool wants_write_ = false;
    bool failed_ = false;
};

class OpenSslContext final : public TlsContext {
  public:
    explicit OpenSslContext(std::unique_ptr<SSL_CTX, ContextDeleter> context) : context_(std::move(context)) {}

    std::unique_ptr<Transport> accept(int socket) override {
        std::unique_ptr<SSL, SslDeleter> ssl(::SSL_new(context_.get()));
        BIO* bio = ssl ? ::BIO_new(socket_method()) : nullptr;
        if (bio == nullptr) {
            ::close(socket);
            return nullptr;
        }
        ::BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
        ::SSL_set_bio(ssl.get(), bio, bio);
        ::SSL_set_accept_state(ssl.get());
        return std::make_unique<TlsTransport>(std::move(ssl), socket);
    }

  private:
    std::unique_ptr<SSL_CTX, ContextDeleter> context_;
};

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::create(const TlsFiles& files) {
    std::unique_ptr<SSL_CTX, ContextDeleter> context(::SSL_CTX_new(::TLS_server_method()));
    if (!context) return fail(ErrorCode::kUnavailable, "OpenSSL: " + openssl_error());
    ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_options(context.get(),
                          SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    ::SSL_CTX_set_mode(context.get(),
                       SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ::SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
    // One ticket is enough for one connection at a time; two (the default) cost 500 bytes of each handshake.
    ::SSL_CTX_set_num_tickets(context.get(), 1);
    ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
    if (::SSL_CTX_use_certificate_chain_file(context.get(), files.certificate_path.c_str()) != 1) {
        return fail(ErrorCode::kInvalidArgument, "the TLS certificate cannot be used: " + openssl_error());
    }
    bool encrypted = false;
    ::SSL_CTX_set_default_passwd_cb(context.get(), refuse_passphrase);
    ::SSL_CTX_set_default_passwd_cb_userdata(context.get(), &encrypted);
    const bool loaded = ::SSL_CTX_use_PrivateKey_file(context.get(), files.key_path.c_str(), SSL_FILETYPE_PEM) == 1;
    ::SSL_CTX_set_default_passwd_cb_userdata(context.get(), nullptr);
    if (encrypted) {
        ::ERR_clear_error();
        return fail(ErrorCode::kInvalidArgument, "the TLS key is encrypted: give one without a passphrase");
    }
    if (!loaded) {
        return fail(ErrorCode::kInvalidArgument, "the TLS key cannot be used: " + openssl_error());
    }
    if (::SSL_CTX_check_private_key(context.get()) != 1) {
        return fail(ErrorCode::kInvalidArgument, "the TLS key does not belong to the certificate: " + openssl_error());
    }
    return std::unique_ptr<TlsContext>(std::make_unique<OpenSslContext>(std::move(context)));
}

}  // namespace tidegate::http
