export { countsInWords, type FindingCode, findingMeanings } from "@repo/catalog/migration-findings";
