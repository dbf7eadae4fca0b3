{{/* A Deployment of one of the two programs that stay up, its budget and its autoscaler. */}}
{{- define "billing.deployment" -}}
{{- $isCanaried := and (eq .component "api") .root.Values.canary.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "billing.name" . }}
  labels:
    {{- include "billing.labels" . | nindent 4 }}
spec:
  {{- /* No replicas: the autoscaler owns their number, and an upgrade must not reset it. */}}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "billing.selector" . | nindent 6 }}
  template:
    metadata:
      {{- include "billing.podMetadata" . | nindent 6 }}
    spec:
      {{- include "billing.podSpec" . | nindent 6 }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "billing.selector" $ | nindent 14 }}
        {{- end }}
      containers:
        - name: {{ .component }}
          command: [/usr/local/bin/{{ .component }}]
          {{- include "billing.container" . | nindent 10 }}
          {{- include "billing.envFrom" . | nindent 10 }}
          ports:
            - name: http
              containerPort: 3020
            - name: metrics
              containerPort: 9464
          livenessProbe:
            httpGet:
              path: /health/live
              port: http
            periodSeconds: 10
            timeoutSeconds: 2
            failureThreshold: 3
          readinessProbe:
            httpGet:
              path: /health/ready
              port: http
            periodSeconds: 5
            timeoutSeconds: 2
            failureThreshold: 2
          {{- with .settings.preStopSeconds }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ . }}
          {{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "billing.name" . }}
  labels:
    {{- include "billing.labels" . | nindent 4 }}
spec:
  minAvailable: {{ .settings.minAvailable }}
  selector:
    matchLabels:
      {{- include "billing.selector" . | nindent 6 }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "billing.name" . }}
  labels:
    {{- include "billing.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    {{- /* The Rollout runs the Deployment's pods in its place. */}}
    apiVersion: {{ $isCanaried | ternary "argoproj.io/v1alpha1" "apps/v1" }}
    kind: {{ $isCanaried | ternary "Rollout" "Deployment" }}
    name: {{ include "billing.name" . }}
  minReplicas: {{ .settings.autoscaling.minReplicas }}
  maxReplicas: {{ .settings.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .settings.autoscaling.cpu }}
    {{- with .settings.autoscaling.lag }}
    {{- /* External, because every pod tells the total: as a metric of pods it would be multiplied. */}}
    - type: External
      external:
        metric:
          name: billing_nats_consumer_lag
        target:
          type: AverageValue
          averageValue: {{ . | quote }}
    {{- end }}
{{- end }}
