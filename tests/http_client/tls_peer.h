// A certificate authority made on the spot, and the server's end of a TLS connection, for tests of calls over TLS.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "http_client/scripted_server.h"

namespace tidegate::http::testing_tls {

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using File = std::unique_ptr<std::FILE, Deleter<&std::fclose>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<&X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Deleter<&SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Deleter<&SSL_free>>;

inline Key make_key() {
    return Key(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

inline Certificate make_certificate(const char* name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                                    const char* alternatives) {
    static long serial = 1;
    Certificate made(::X509_new());
    ::X509_set_version(made.get(), X509_VERSION_3);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), serial++);
    ::X509_gmtime_adj(::X509_getm_notBefore(made.get()), -60);
    ::X509_gmtime_adj(::X509_getm_notAfter(made.get()), 3600);
    ::X509_set_pubkey(made.get(), key);
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509* const signer = issuer != nullptr ? issuer : made.get();
    ::X509_set_issuer_name(made.get(), ::X509_get_subject_name(signer));
    X509V3_CTX context;
    ::X509V3_set_ctx(&context, signer, made.get(), nullptr, nullptr, 0);
    const auto extend = [&](int what, const char* value) {
        X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, what, value);
        ::X509_add_ext(made.get(), extension, -1);
        ::X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, issuer != nullptr ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (alternatives != nullptr) extend(NID_subject_alt_name, alternatives);
    ::X509_sign(made.get(), issuer_key, ::EVP_sha256());
    return made;
}

/// An authority, its certificate in a file, and a certificate it gave to `good.test` and 127.0.0.1.
struct Authority {
    Authority() {
        std::string pattern = (std::filesystem::temp_directory_path() / "tidegate-ca-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        file = folder + "/ca.pem";
        const File out(std::fopen(file.c_str(), "w"));
        ::PEM_write_X509(out.get(), root.get());
    }
    ~Authority() { std::filesystem::remove_all(folder); }
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    Key root_key = make_key();
    Certificate root = make_certificate("Test CA", root_key.get(), nullptr, root_key.get(), nullptr);
    Key key = make_key();
    Certificate certificate =
        make_certificate("good.test", key.get(), root.get(), root_key.get(), "DNS:good.test,IP:127.0.0.1");
    std::string folder;
    std::string file;
};

/// The server's end of a TLS connection on a Peer; blocking.
class TlsPeer {
  public:
    TlsPeer(Peer& peer, const Authority& authority) {
        // OpenSSL writes with write(); a client that has left must not end the test.
        sigset_t pipe;
        ::sigemptyset(&pipe);
        ::sigaddset(&pipe, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        context_.reset(::SSL_CTX_new(::TLS_server_method()));
        ::SSL_CTX_use_certificate(context_.get(), authority.certificate.get());
        ::SSL_CTX_use_PrivateKey(context_.get(), authority.key.get());
        session_.reset(::SSL_new(context_.get()));
        ::SSL_set_fd(session_.get(), peer.descriptor());
        accepted_ = ::SSL_accept(session_.get()) == 1;
    }
    bool accepted() const { return accepted_; }
    std::string asked_name() const {
        const char* name = ::SSL_get_servername(session_.get(), TLSEXT_NAMETYPE_host_name);
        return name != nullptr ? name : "";
    }
    std::string request() {
        std::string out;
        while (!out.ends_with("\r\n\r\n")) {
            char byte = 0;
            if (::SSL_read(session_.get(), &byte, 1) != 1) return {};
            out.push_back(byte);
        }
        return out;
    }
    std::string read(std::size_t bytes) {
        std::string out(bytes, '\0');
        for (std::size_t at = 0; at < bytes;) {
            std::size_t got = 0;
            if (::SSL_read_ex(session_.get(), out.data() + at, bytes - at, &got) != 1) return "(cut)";
            at += got;
        }
        return out;
    }
    bool send(std::string_view bytes) {
        std::size_t sent = 0;
        return ::SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &sent) == 1;
    }
    void answer(std::string_view body) {
        send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
    }
    void say_goodbye() { ::SSL_shutdown(session_.get()); }

  private:
    Context context_;
    Session session_;
    bool accepted_ = false;
};

}  // namespace tidegate::http::testing_tls
