{{/* A Grafana dashboard of a short description: rows of panels, each a question and what it asks of Prometheus. */}}
{{- define "billing.dashboard" -}}
{{- $panels := list }}
{{- $source := dict "type" "prometheus" "uid" "${source}" }}
{{- range $i, $panel := .it.panels }}
{{- $targets := list }}
{{- range $j, $query := $panel.queries }}
{{- $targets = append $targets (dict "refId" (printf "Q%d" $j) "datasource" $source "expr" ($query.expr | trim) "legendFormat" ($query.legend | default "__auto")) }}
{{- end }}
{{- $defaults := dict "unit" $panel.unit "min" 0 }}
{{- $panels = append $panels (dict
  "id" (add1 $i) "title" $panel.title "description" ($panel.description | default "") "type" ($panel.type | default "timeseries")
  "datasource" $source "targets" $targets
  "gridPos" (dict "h" 8 "w" 8 "x" (mul 8 (mod $i 3)) "y" (mul 8 (div $i 3)))
  "fieldConfig" (dict "defaults" $defaults "overrides" list)) }}
{{- end }}
{{- $variable := dict "name" "source" "label" "Prometheus" "type" "datasource" "query" "prometheus" }}
{{- $namespace := dict "name" "namespace" "label" "Namespace" "type" "query" "datasource" $source "includeAll" true "allValue" ".*"
  "query" "label_values(billing_nats_consumer_lag, namespace)" "refresh" 2 "current" (dict "text" "All" "value" "$__all") }}
{{- toPrettyJson (dict
  "uid" (printf "billing-%s" .name) "title" .it.title "description" .it.description "tags" (list "billing") "timezone" "utc"
  "schemaVersion" 39 "refresh" "30s" "time" (dict "from" .it.from "to" "now")
  "templating" (dict "list" (list $variable $namespace)) "panels" $panels) }}
{{- end }}
