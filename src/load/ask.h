// ask(): one request and its whole answer, waited for: how the tool finds out what the server has, and reads its metrics.
//
// Guarantee   Read by http/client's strict parser. Bounded: 20 s, 64 MiB.
// Threads     The caller's, which waits.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "load/generator.h"
#include "load/place.h"

namespace tidegate::load {

struct Answer {
    int status = 0;
    std::string body;
};

/// `fields`: header lines with CR LF, Host among them. A `body` is JSON.
Result<Answer> ask(const Place& place, std::string_view method, std::string_view target, std::string_view fields,
                   std::string_view body = {});

/// A Scout over ask(); reads the API document once.
class WebScout final : public Scout {
  public:
    /// kUnavailable: nobody answers there; kFailedValidation: who answers is no Tidegate.
    static Result<std::unique_ptr<WebScout>> open(const Place& place, std::string fields);

    bool has_route(std::string_view method, std::string_view path) const override;
    void each_route(
        const std::function<void(std::string_view, std::string_view, std::string_view)>& visit) const override;
    Result<json::Document> ask(std::string_view method, const std::string& target,
                               const std::string& body) const override;
    int try_out(const std::string& target) const override;

  private:
    WebScout(const Place& place, std::string fields, json::Document document);
    const Place& place_;
    const std::string fields_;
    json::Document document_;
};

/// Without a server: what each service offers by itself.
class NoScout final : public Scout {
  public:
    bool has_route(std::string_view, std::string_view) const override { return true; }
    void each_route(const std::function<void(std::string_view, std::string_view, std::string_view)>&) const override {}
    Result<json::Document> ask(std::string_view, const std::string&, const std::string&) const override {
        return fail(ErrorCode::kUnavailable, "no server was asked");
    }
    int try_out(const std::string&) const override { return 0; }
};

}  // namespace tidegate::load
