import { expect, test } from "vitest";
import { readRegions } from "./read-regions.ts";

test("a start without arguments has no regions, and --regions names two", () => {
  expect(readRegions([])).toBeUndefined();
  expect(readRegions(["--regions", "eu,us"])).toEqual(["eu", "us"]);
  expect(readRegions(["--regions=eu-west-1,us"])).toEqual(["eu-west-1", "us"]);
});

test.each([
  "",
  "eu",
  "eu,",
  ",us",
  "eu,eu",
  "eu,us,ap",
  "EU,us",
  "eu, us",
  "1u,us",
  "e_u,us",
  `eu,${"u".repeat(21)}`,
])("the regions %j are refused, with what a region is named with", (regions) => {
  expect(() => readRegions([`--regions=${regions}`])).toThrow("--regions takes two regions, such as");
});

test.each([["--regions"], ["--region", "eu,us"], ["eu,us"], ["--regions", "eu,us", "more"]])(
  "the arguments %j are refused, with what there is",
  (...args) => {
    expect(() => readRegions(args)).toThrow("npm start takes no argument but --regions");
  },
);
