DROP TABLE billing.operator_costs;
DROP TABLE billing.prices;
