// What the API document promises: every route with its schemas, examples and errors, the same bytes each
// time.
#include "pipeline/openapi.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tidegate::pipeline {
namespace {

std::vector<Route> two_routes() {
    std::vector<Route> routes(2);
    routes[0].method = http::Method::kPost;
    routes[0].path = "/b";
    routes[0].operation = "make_b";
    routes[0].family = "letters";
    routes[0].request = Schema::object({required("x", Schema::integer())});
    routes[0].body_bytes_max = 100;
    routes[0].spend_points = Points{2500};
    routes[0].scopes = {"letters:write"};
    routes[0].example = R"({"x":1})";
    routes[1].method = http::Method::kGet;
    routes[1].path = "/b";
    routes[1].operation = "read_b";
    routes[1].family = "letters";
    routes[1].query = {{.name = "limit", .schema = Schema::integer().range(1, 5)}};
    routes[1].example = "limit=2";
    return routes;
}

TEST(OpenApi, DescribesEveryRouteOfTheTable) {
    const auto routes = two_routes();
    const std::string text = openapi_document(routes, "1.2.3");
    const auto document = json::parse(text);
    ASSERT_TRUE(document.has_value()) << text;
    const auto path = document->root().find("paths")->find("/b");
    ASSERT_TRUE(path.has_value());
    const auto post = *path->find("post");
    EXPECT_EQ(post.find("operationId")->as_string(), "make_b");
    EXPECT_EQ(post.find("x-spend-points")->as_double(), 2.5);
    const auto media = *post.find("requestBody")->find("content")->find("application/json");
    EXPECT_EQ(media.find("example")->find("x")->as_int(), 1);
    EXPECT_EQ(media.find("schema")->find("type")->as_string(), "object");
    for (const char* status : {"200", "400", "413", "415", "422"})
        EXPECT_TRUE(post.find("responses")->find(status)) << status;
    const auto get = *path->find("get");
    EXPECT_EQ(get.find("parameters")->size(), 1U);
    EXPECT_EQ(get.find("x-example-query")->as_string(), "limit=2");
    EXPECT_EQ(text, openapi_document(routes, "1.2.3"));
}

}  // namespace
}  // namespace tidegate::pipeline
