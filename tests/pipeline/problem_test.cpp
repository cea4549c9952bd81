// What a problem document promises: RFC 9457's members and ours, and one status for each code.
#include "pipeline/problem.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tidegate::pipeline {
namespace {

TEST(Problem, CarriesEveryMemberOfTheContract) {
    const std::vector<FieldError> errors{{"items[3].text", "must not be empty", "too_short"}};
    const http::Response response = problem_response({.status = 422,
                                                      .error = "validation_failed",
                                                      .detail = "d",
                                                      .request_id = "r-1",
                                                      .path = "/p",
                                                      .errors = &errors});
    EXPECT_EQ(response.status, 422);
    EXPECT_EQ(response.headers.get("content-type"), "application/problem+json");
    const auto document = json::parse(response.body);
    ASSERT_TRUE(document.has_value());
    const json::Value root = document->root();
    EXPECT_EQ(root.find("type")->as_string(), "urn:tidegate:error:validation_failed");
    EXPECT_FALSE(root.find("title")->as_string().empty());
    EXPECT_EQ(root.find("status")->as_int(), 422);
    EXPECT_EQ(root.find("detail")->as_string(), "d");
    EXPECT_EQ(root.find("error")->as_string(), "validation_failed");
    EXPECT_EQ(root.find("request_id")->as_string(), "r-1");
    EXPECT_EQ(root.find("path")->as_string(), "/p");
    std::string out;
    json::append(out, *root.find("errors"));
    EXPECT_EQ(out, R"([{"field":"items[3].text","message":"must not be empty","type":"too_short"}])");
}

TEST(Problem, TellsWhenToAskAgainOnlyWhereWaitingHelps) {
    EXPECT_EQ(problem_response({.status = 503}, 7).headers.get("Retry-After"), "7");
    EXPECT_EQ(problem_response({.status = 429}).headers.get("Retry-After"), "1");
    EXPECT_FALSE(problem_response({.status = 500}).headers.get("Retry-After").has_value());
}

TEST(Problem, EveryCodeHasAStatusOfItsClass) {
    EXPECT_EQ(status_of(ErrorCode::kInvalidArgument), 400);
    EXPECT_EQ(status_of(ErrorCode::kFailedValidation), 422);
    EXPECT_EQ(status_of(ErrorCode::kConflict), 409);
    EXPECT_EQ(status_of(ErrorCode::kCancelled), 499);
    EXPECT_EQ(status_of(ErrorCode::kUnavailable), 503);
    EXPECT_EQ(status_of(ErrorCode::kDataLoss), 500);
    for (const int status : {404, 413, 415, 503}) EXPECT_EQ(status_of(code_of_status(status)), status);
}

}  // namespace
}  // namespace tidegate::pipeline
